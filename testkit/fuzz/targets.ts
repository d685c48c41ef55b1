/** All fuzz targets. */
import type { FuzzTarget } from "./fuzz_target.ts";
import { kernelTargets } from "./kernel_targets.ts";
import { protocolTargets } from "./protocol_targets.ts";
import { queryTargets } from "./query_targets.ts";
import { storageTargets } from "./storage_targets.ts";
import { storeTargets } from "./store_target.ts";
import { textTargets } from "./text_targets.ts";

export const fuzzTargets: readonly FuzzTarget[] = [...kernelTargets, ...protocolTargets, ...queryTargets, ...storageTargets, ...storeTargets, ...textTargets];
