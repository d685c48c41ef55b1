// The one module: every kernel file is re-exported here. Kernels work on raw offsets; see ARCHITECTURE.md, "Kernels".
export * from "./bytes";
export * from "./postings";
export * from "./columns";
