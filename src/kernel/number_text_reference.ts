/** The clear version of wasm/number_text.ts. */

/** The shortest text of a double as Prometheus writes it: String(value) but for the infinities, and exponents have two digits at least. */
export function numberTextReference(value: number): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return String(value).replace(/e([+-])(\d)$/, "e$10$2");
}

/** The JSON array `[[seconds,"value"],...]` of the points that have a value. */
export function numberTextValuesReference(timestampsMs: Float64Array, values: Float64Array): string {
  const points: string[] = [];
  for (let i = 0; i < values.length; i++) {
    if (!Number.isNaN(values[i])) points.push(`[${timestampsMs[i] / 1000},"${numberTextReference(values[i])}"]`);
  }
  return `[${points.join(",")}]`;
}
