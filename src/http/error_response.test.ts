/** Every class and code of error has its status, type and headers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError, LimitError, StorageError, UnavailableError, UnsupportedError } from "../base/errors.ts";
import { describeError, errorBody } from "./error_response.ts";

const rows: { name: string; error: unknown; status: number; errorType: string; position?: number; retryAfterS?: number; isInternal?: boolean }[] = [
  { name: "syntax", error: new InputError("parse_error", "m", { offset: 3 }), status: 422, errorType: "bad_data", position: 3 },
  { name: "bad regexp", error: new InputError("bad_regexp", "m"), status: 422, errorType: "bad_data" },
  { name: "bad argument", error: new InputError("bad_argument", "m"), status: 400, errorType: "bad_data" },
  { name: "corrupt body", error: new InputError("corrupt_snappy", "m", { offset: 9 }), status: 400, errorType: "bad_data" },
  { name: "unknown path", error: new InputError("not_found", "m"), status: 404, errorType: "not_found" },
  { name: "encoding", error: new InputError("unsupported_encoding", "m"), status: 415, errorType: "bad_data" },
  { name: "large body", error: new LimitError("body_too_large", "m"), status: 413, errorType: "bad_data" },
  { name: "many series", error: new LimitError("too_many_series", "m"), status: 422, errorType: "execution" },
  { name: "unsupported function", error: new UnsupportedError("foo", "m"), status: 422, errorType: "execution" },
  { name: "overload", error: new UnavailableError("overloaded", "m", { retryAfterS: 7 }), status: 503, errorType: "unavailable", retryAfterS: 7 },
  { name: "queue", error: new UnavailableError("too_many_requests", "m"), status: 429, errorType: "unavailable", retryAfterS: 1 },
  { name: "timeout", error: new UnavailableError("query_timeout", "m"), status: 503, errorType: "timeout", retryAfterS: 1 },
  { name: "disk", error: new StorageError("corrupt_part", "m"), status: 500, errorType: "internal", isInternal: true },
  { name: "bug", error: new TypeError("m"), status: 500, errorType: "internal", isInternal: true },
  { name: "not an error", error: "m", status: 500, errorType: "internal", isInternal: true },
];

for (const row of rows) {
  test(`error response: ${row.name}`, () => {
    const { name: _, error, ...expected } = row;
    assert.deepEqual(describeError(error), { message: "m", position: undefined, retryAfterS: undefined, isInternal: false, ...expected });
  });
}

test("error response: the envelope of Prometheus", () => {
  assert.equal(errorBody(describeError(new InputError("parse_error", 'a "b"', { offset: 0 }))), '{"status":"error","errorType":"bad_data","error":"a \\"b\\"","position":0}');
  assert.equal(errorBody(describeError(new TypeError("x"))), '{"status":"error","errorType":"internal","error":"x"}');
});
