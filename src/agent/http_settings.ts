/** How a job talks HTTP: authentication, headers, TLS. Secrets in files are read at each scrape, so that they can be rotated. */
import { dirname, resolve } from "node:path";
import {
  booleanField,
  type ConfigField,
  type ConfigProblems,
  type ConfigRecord,
  type ConfigValue,
  hasKey,
  ignoredField,
  keyPosition,
  listField,
  namesField,
  readMap,
  textField,
  unsupportedField,
  wordField,
} from "../pipeline/config_value.ts";

/** A text that is written in the configuration, or the absolute path of the file that holds it. */
export type Secret = { readonly text: string } | { readonly file: string };

export type Authorization =
  | { readonly kind: "none" }
  | { readonly kind: "basic"; readonly username: Secret; readonly password: Secret }
  | { readonly kind: "header"; readonly type: string; readonly credentials: Secret };

export interface HttpHeader {
  readonly name: string;
  readonly value: Secret;
}

export interface TlsSettings {
  readonly ca: Secret | undefined;
  readonly cert: Secret | undefined;
  readonly key: Secret | undefined;
  readonly serverName: string | undefined;
  readonly skipsVerification: boolean;
  readonly minVersion: "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3" | undefined;
}

export interface HttpSettings {
  readonly authorization: Authorization;
  readonly headers: readonly HttpHeader[];
  readonly tls: TlsSettings;
  readonly followsRedirects: boolean;
  readonly acceptsGzip: boolean;
  readonly keepsAlive: boolean;
}

const basicAuthFields = { username: textField, username_file: textField, password: textField, password_file: textField };
const authorizationFields = { type: textField, credentials: textField, credentials_file: textField };
const tlsFields = {
  ca: textField, ca_file: textField, cert: textField, cert_file: textField, key: textField, key_file: textField,
  server_name: textField,
  insecure_skip_verify: booleanField,
  min_version: wordField(["TLS10", "TLS11", "TLS12", "TLS13"]),
  max_version: unsupportedField(),
};

/** `Name: value`, as VictoriaMetrics lists headers. */
const headerLineField: ConfigField<HttpHeader> = (value, path, problems) => {
  const line = textField(value, path, problems);
  const match = line === undefined ? null : /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/.exec(line);
  if (match !== null) return { name: match[1], value: { text: match[2] } };
  return line === undefined ? undefined : problems.add(value.position, path, "bad header; allowed: a line such as 'X-Scope: tenant'");
};

const headerValuesFields = { values: listField(textField), secrets: listField(textField), files: listField(textField) };

/** The values of one header, as Prometheus lists them. */
const headerValuesField: ConfigField<readonly Secret[]> = (value, path, problems) => {
  const record = readMap(value, headerValuesFields, path, problems);
  if (record === undefined) return undefined;
  const texts = [...(record.values ?? []), ...(record.secrets ?? [])];
  return [...texts.map((text) => ({ text })), ...(record.files ?? []).map((file) => secretFile(file, problems))];
};

const mapOf = <F extends Readonly<Record<string, ConfigField<unknown>>>>(fields: F): ConfigField<ConfigRecord<F>> => (value, path, problems) => readMap(value, fields, path, problems);

/** The keys of a job that concern HTTP. */
export const httpFields = {
  basic_auth: mapOf(basicAuthFields),
  authorization: mapOf(authorizationFields),
  bearer_token: textField,
  bearer_token_file: textField,
  headers: listField(headerLineField),
  http_headers: namesField(headerValuesField),
  tls_config: mapOf(tlsFields),
  follow_redirects: booleanField,
  enable_compression: booleanField,
  disable_compression: booleanField,
  disable_keepalive: booleanField,
  enable_http2: ignoredField("HTTP/1.1 is spoken"),
  oauth2: unsupportedField(),
  proxy_url: unsupportedField(),
  no_proxy: unsupportedField(),
  proxy_from_environment: unsupportedField(),
  proxy_connect_header: unsupportedField(),
  proxy_headers: unsupportedField(),
  proxy_authorization: unsupportedField(),
  proxy_basic_auth: unsupportedField(),
  proxy_bearer_token: unsupportedField(),
  proxy_bearer_token_file: unsupportedField(),
  proxy_tls_config: unsupportedField(),
  proxy_oauth2: unsupportedField(),
};

type HttpRecord = ConfigRecord<typeof httpFields>;

/** Settings out of the keys of a job that have been read by `httpFields`. */
export function readHttpSettings(value: ConfigValue, record: HttpRecord, path: string, problems: ConfigProblems): HttpSettings {
  const given = ["basic_auth", "authorization", "bearer_token", "bearer_token_file"].filter((key) => hasKey(value, key));
  if (given.length > 1) problems.add(keyPosition(value, given[1]), path, `only one of ${given.join(" and ")} can be used`);
  return {
    authorization: authorizationOf(value, record, path, problems),
    headers: headersOf(record),
    tls: tlsOf(record, problems),
    followsRedirects: record.follow_redirects ?? true,
    acceptsGzip: record.enable_compression ?? record.disable_compression !== true,
    keepsAlive: record.disable_keepalive !== true,
  };
}

function authorizationOf(value: ConfigValue, record: HttpRecord, path: string, problems: ConfigProblems): Authorization {
  const { basic_auth: basic, authorization: header } = record;
  if (basic !== undefined) {
    const username = secretOf(basic.username, basic.username_file, problems);
    if (username === undefined) problems.add(keyPosition(value, "basic_auth"), `${path}.basic_auth`, "username or username_file is missing");
    return { kind: "basic", username: username ?? { text: "" }, password: secretOf(basic.password, basic.password_file, problems) ?? { text: "" } };
  }
  const credentials = secretOf(header?.credentials, header?.credentials_file, problems) ?? secretOf(record.bearer_token, record.bearer_token_file, problems);
  if (credentials !== undefined) return { kind: "header", type: header?.type ?? "Bearer", credentials };
  if (header !== undefined) problems.add(keyPosition(value, "authorization"), `${path}.authorization`, "credentials or credentials_file is missing");
  return { kind: "none" };
}

function headersOf(record: HttpRecord): HttpHeader[] {
  const named = [...(record.http_headers ?? [])].flatMap(([name, values]) => values.map((value) => ({ name, value })));
  return [...(record.headers ?? []), ...named];
}

function tlsOf({ tls_config: tls }: HttpRecord, problems: ConfigProblems): TlsSettings {
  const versions = { TLS10: "TLSv1", TLS11: "TLSv1.1", TLS12: "TLSv1.2", TLS13: "TLSv1.3" } as const;
  return {
    ca: secretOf(tls?.ca, tls?.ca_file, problems),
    cert: secretOf(tls?.cert, tls?.cert_file, problems),
    key: secretOf(tls?.key, tls?.key_file, problems),
    serverName: tls?.server_name,
    skipsVerification: tls?.insecure_skip_verify ?? false,
    minVersion: tls?.min_version === undefined ? undefined : versions[tls.min_version],
  };
}

function secretOf(text: string | undefined, file: string | undefined, problems: ConfigProblems): Secret | undefined {
  if (text !== undefined) return { text };
  return file === undefined ? undefined : secretFile(file, problems);
}

/** Paths are relative to the folder of the configuration file. */
function secretFile(file: string, problems: ConfigProblems): Secret {
  return { file: resolve(dirname(problems.file), file) };
}
