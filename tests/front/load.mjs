// The front end's modules are text to node: imported as data, as the browser does, with their own imports in line.
import { readFileSync } from "node:fs";

const folder = new URL("../../xai_widgets/static/", import.meta.url);

const address = (name) => {
  const inLine = (_, file) => `from "${address(file)}"`;
  const text = readFileSync(new URL(name, folder), "utf8").replace(/from\s+"\.\/([\w.-]+\.js)"/g, inLine);
  return `data:text/javascript;base64,${Buffer.from(text).toString("base64")}`;
};

export const load = (name) => import(address(name));
