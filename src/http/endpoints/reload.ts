/** /-/reload: reads the scrape configuration again. A wrong file is refused with 400 and the old configuration stays. */
import type { Api } from "../api.ts";
import type { Route } from "../router.ts";

export function reloadRoute(api: Api): Route {
  return {
    path: "/-/reload",
    methods: ["GET", "POST", "PUT"],
    async handle(exchange) {
      await api.reload();
      await exchange.send(200, "text/plain; charset=utf-8", "ok\n");
    },
  };
}
