/** A hash of what happened in a simulation (FNV-1a, 32 bits): two runs of the same seed agree in it, or something is not determined by the seed. */
export class TraceHash {
  #hash = 0x811c9dc5;

  get value(): number {
    return this.#hash >>> 0;
  }

  addText(text: string): void {
    let hash = this.#hash;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    this.#hash = Math.imul(hash ^ 0xff, 0x01000193);
  }

  addNumber(number: number): void {
    this.#hash = Math.imul(this.#hash ^ number, 0x01000193);
  }
}
