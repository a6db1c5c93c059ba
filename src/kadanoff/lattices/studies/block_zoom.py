"""One page that opens offline: a configuration blocked again and again, by slider."""

from __future__ import annotations

import base64
import json

import numpy as np
from numpy.typing import NDArray

__all__ = ["zoom_page"]

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>%(title)s</title>
<style>
body {font: 15px/1.5 sans-serif; max-width: 560px; margin: 2em auto; color: #222}
canvas {width: 100%%; image-rendering: pixelated; border: 1px solid #555}
input[type=range] {width: 100%%}
</style>
<h1 style="font-size: 1.2em">%(title)s</h1>
<canvas id="spins"></canvas>
<p><input id="level" type="range" min="0" max="%(last)d" value="0" aria-label="level"></p>
<p id="says" aria-live="polite"></p>
<p><label><input id="same" type="checkbox"> as many spins at every level: a window of the finer ones</label></p>
<p>%(text)s</p>
<script>
"use strict";
const levels = %(levels)s;
const canvas = document.getElementById("spins"), level = document.getElementById("level");
const same = document.getElementById("same"), says = document.getElementById("says");
const bits = levels.map(one => Uint8Array.from(atob(one.bits), c => c.charCodeAt(0)));
function draw() {
  const k = Number(level.value), width = levels[k].width;
  const shown = same.checked ? levels[levels.length - 1].width : width, first = (width - shown) >> 1;
  canvas.width = canvas.height = shown;
  const context = canvas.getContext("2d"), image = context.createImageData(shown, shown);
  for (let y = 0; y < shown; y++) for (let x = 0; x < shown; x++) {
    const site = (first + y) * width + first + x, up = bits[k][site >> 3] >> (site & 7) & 1;
    image.data.set(up ? [0, 114, 178, 255] : [255, 255, 255, 255], 4 * (y * shown + x));
  }
  context.putImageData(image, 0, 0);
  says.textContent = "level " + k + ": " + width + " x " + width + " spins, one for " + 4 ** k + " of the first" +
    (shown < width ? "; a window of " + shown + " x " + shown : "");
}
level.addEventListener("input", draw);
same.addEventListener("change", draw);
draw();
</script>
</html>
"""


def zoom_page(levels: list[NDArray[np.int8]], title: str, text: str) -> str:
    """A self-contained HTML page that shows the levels of one configuration behind a slider.

    Arguments:
        levels: square arrays of +-1, each half as wide as the one before.
        title, text: shown above and below.
    """
    packed = [
        {
            "width": spins.shape[0],
            "bits": base64.b64encode(np.packbits(spins.ravel() > 0, bitorder="little").tobytes()).decode("ascii"),
        }
        for spins in levels
    ]
    return _PAGE % {"title": title, "last": len(levels) - 1, "text": text, "levels": json.dumps(packed)}
