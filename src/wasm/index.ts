// The one module: every kernel file is re-exported here. Kernels work on raw offsets; see ARCHITECTURE.md, "Kernels".
export * from "./aggregate";
export * from "./bytes";
export * from "./checksum";
export { codecDecode, codecEncode, codecScratchSize } from "./codec";
export { codecDecodeBlocks, codecDecodeBlocksScratchSize, codecEncodeRun } from "./codec_blocks";
export { codecDecodeHeaders, codecHeaderColumnsSize } from "./codec_headers";
export { codecExpandLabelRows, codecInternedRows, codecInternLabels, codecPackLabelRows, codecRehashPairs, codecUnpackLabelRows } from "./codec_label_rows";
export * from "./columns";
export * from "./head";
export { jsonLinesParse, jsonLinesWriteValues } from "./json_lines";
export * from "./log_record";
export * from "./number_text";
export * from "./postings";
export { prometheusTextParse } from "./prometheus_text";
export { remoteWriteLongLabel, remoteWriteParse } from "./remote_write";
export * from "./rollup";
export { snappyDecode, snappyDecodedSize, snappyFailedAt } from "./snappy";
