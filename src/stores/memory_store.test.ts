// The naive Store keeps the promises of Store.
import { storeConformance } from "../../testkit/store_conformance.ts";
import { MemoryStore } from "./memory_store.ts";

storeConformance({ name: "memory", open: () => Promise.resolve(new MemoryStore()) });
