/** The mean of histograms one after the other: sum by count, or of means from where on the sum would overflow. */
import { divideHistogram, hasOverflow, HistogramSum } from "../model/histogram_arithmetic.ts";
import type { FloatHistogram } from "../model/native_histogram.ts";

export class HistogramMean {
  #sum: HistogramSum;
  #count = 1;
  #isOverflown = false;

  constructor(first: FloatHistogram) {
    this.#sum = new HistogramSum(first);
  }

  /** undefined if the buckets do not fit; the mean is of no use then. */
  add(histogram: FloatHistogram): { boundsReconciled: boolean } | undefined {
    this.#count++;
    if (!this.#isOverflown) {
      const next = this.#sum.copy();
      const step = next.add(histogram);
      if (step === undefined || !hasOverflow(next.uncompensated)) {
        this.#sum = next;
        return step;
      }
      this.#isOverflown = true;
      this.#sum.divide(this.#count - 1);
    }
    this.#sum.multiply((this.#count - 1) / this.#count);
    return this.#sum.add(divideHistogram(histogram, this.#count));
  }

  /** The mean; nothing can be added afterwards. */
  finish(): FloatHistogram {
    if (!this.#isOverflown) this.#sum.divide(this.#count);
    return this.#sum.total();
  }
}
