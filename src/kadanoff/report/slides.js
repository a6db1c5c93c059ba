
// Slides: without this script all of them stand side by side, with it the slider shows one.
for (const show of document.querySelectorAll(".slides")) {
  const slider = show.querySelector("input"), frames = show.querySelectorAll(".frame");
  const turn = () => frames.forEach((frame, k) => frame.classList.toggle("shown", k === Number(slider.value)));
  slider.addEventListener("input", turn);
  show.classList.add("live");
  turn();
}
