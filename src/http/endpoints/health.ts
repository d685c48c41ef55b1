/** /health and /-/healthy: the process answers. /-/ready: it also has its data. */
import { UnavailableError } from "../../base/errors.ts";
import type { Route } from "../router.ts";

/** `notReady` says why the node is not ready, undefined when it is. */
export function healthRoutes(notReady: () => string | undefined): Route[] {
  return [
    { path: "/health", methods: ["GET"], handle: (exchange) => exchange.send(200, "text/plain; charset=utf-8", "OK") },
    { path: "/-/healthy", methods: ["GET"], handle: (exchange) => exchange.send(200, "text/plain; charset=utf-8", "Tidemark is healthy.\n") },
    {
      path: "/-/ready",
      methods: ["GET"],
      handle(exchange) {
        const reason = notReady();
        if (reason !== undefined) throw new UnavailableError("not_ready", reason);
        return exchange.send(200, "text/plain; charset=utf-8", "Tidemark is ready.\n");
      },
    },
  ];
}
