// The palette keeps what its comment promises: contrast, distance for colour-blind eyes, stable places.
import assert from "node:assert/strict";
import { test } from "node:test";
import { assignColors, palettes } from "./palette.ts";

type Triple = readonly [number, number, number];

function linearRgb(hex: string): Triple {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return [red, green, blue];
}

function multiply(matrix: readonly Triple[], vector: Triple): Triple {
  const [x, y, z] = matrix.map((row) => Math.max(0, row[0] * vector[0] + row[1] * vector[1] + row[2] * vector[2]));
  return [x, y, z];
}

/** How colours look to different eyes (Machado 2009, full severity), in linear RGB. */
const eyes: Readonly<Record<string, readonly Triple[]>> = {
  normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
};

function oklab(color: Triple): Triple {
  const cone: readonly Triple[] = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566], [0.0883024619, 0.2817188376, 0.6299787005]];
  const [l, m, s] = multiply(cone, color).map(Math.cbrt);
  return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s, 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s];
}

function contrast(one: string, other: string): number {
  const [low, high] = [one, other].map(linearRgb).map(([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b).sort((left, right) => left - right);
  return (high + 0.05) / (low + 0.05);
}

for (const [theme, background] of [["light", "#ffffff"], ["dark", "#12191e"]] as const) {
  test(`palette: ${theme} has contrast`, () => {
    for (const color of palettes[theme]) assert.ok(contrast(color, background) >= 3, `${color} ${contrast(color, background)}`);
  });
  for (const [eye, matrix] of Object.entries(eyes)) {
    test(`palette: ${theme} is told apart with ${eye} sight`, () => {
      const colors = palettes[theme].map((color) => oklab(multiply(matrix, linearRgb(color))));
      for (const [i, one] of colors.entries()) {
        for (const [j, other] of colors.slice(0, i).entries()) {
          const distance = Math.hypot(one[0] - other[0], one[1] - other[1], one[2] - other[2]);
          assert.ok(distance > 0.08, `${palettes[theme][i]} and ${palettes[theme][j]}: ${distance}`);
        }
      }
    });
  }
}

test("palette: small answers share no colour, and order does not matter", () => {
  const keys = Array.from({ length: 10 }, (_, i) => `up{instance="${i}"}`);
  const colors = assignColors(keys);
  assert.equal(new Set(colors).size, 10);
  assert.deepEqual(assignColors([...keys].reverse()).reverse(), colors);
  assert.equal(new Set(assignColors(keys.map((key) => key + key).concat(keys.slice(0, 6)))).size >= 8, true);
});
