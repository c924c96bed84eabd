// Bundles src/editor.js and collects the licences of what went into it. The last
// file names the sources' sum, which a test of package web compares: a bundle that
// was forgotten is noticed without Node.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const [source, out] = process.argv.slice(2);
const result = await build({
  entryPoints: [join(source, "src/editor.js")], bundle: true, minify: true, format: "esm", target: "es2022",
  legalComments: "none", outfile: join(out, "editor.js"), metafile: true,
  nodePaths: ["node_modules"],
});

const packages = new Set();
for (const input of Object.keys(result.metafile.inputs)) {
  const found = input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (found) packages.add(found[1]);
}
let licences = "editor.js contains these packages from npm, each under its licence.\n";
for (const name of [...packages].sort()) {
  const about = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  licences += `\n${"-".repeat(72)}\n${name} ${about.version} (${about.license})\n\n`;
  licences += readFileSync(`node_modules/${name}/LICENSE`, "utf8");
}
writeFileSync(join(out, "editor.LICENSES.txt"), licences);

const sum = createHash("sha256");
for (const file of ["package.json", "package-lock.json", ...readdirSync(join(source, "src")).sort().map((f) => "src/" + f)]) {
  sum.update(file + "\n").update(readFileSync(join(source, file)));
}
writeFileSync(join(out, "editor.sum"), sum.digest("hex") + "\n");
