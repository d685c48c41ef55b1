/** /api/v1/targets: what is scraped, and how it went. */
import { InputError } from "../../base/errors.ts";
import type { Api } from "../api.ts";
import type { Route } from "../router.ts";

const states: readonly string[] = ["", "any", "active", "dropped"];

export function targetsRoute(api: Api): Route {
  return {
    path: "/api/v1/targets",
    methods: ["GET"],
    async handle(exchange) {
      const requestArguments = await exchange.arguments();
      const state = requestArguments.text("state").toLowerCase();
      if (!states.includes(state)) throw new InputError("bad_argument", `bad value ${JSON.stringify(state)} in argument "state"; allowed: active, dropped, any`);
      const pool = requestArguments.text("scrapePool");
      const active = state === "dropped" ? [] : (api.targets?.activeTargets() ?? []);
      const dropped = state === "active" ? [] : (api.targets?.droppedTargets() ?? []);
      const data = { activeTargets: active.filter((target) => pool === "" || target.scrapePool === pool), droppedTargets: dropped };
      await exchange.sendJson({ status: "success", data });
    },
  };
}
