/** What the bundler makes of files that are no code: SVG becomes a data URL. */
declare module "*.svg" {
  const url: string;
  export default url;
}
