// Completion from the keyword tables of the proxy (GET /api/v1/keywords).

let tables; // the answer, asked for once

async function load() {
  const answer = await fetch("/api/v1/keywords");
  if (!answer.ok) throw new Error(answer.statusText);
  return answer.json();
}

// sectionAt returns the keyword of the section that a line stands in, or "".
function sectionAt(doc, number) {
  for (let n = number; n >= 1; n--) {
    const found = doc.line(n).text.match(/^\s*(global|defaults|frontend|backend|listen)\b/);
    if (found) return found[1];
  }
  return "";
}

// options names what follows the first word of a line, where a table knows it.
const options = { bind: "bind", server: "server", "default-server": "server", log: "log", stats: "stats socket" };

export function completion() {
  return async (context) => {
    const line = context.state.doc.lineAt(context.pos);
    const before = line.text.slice(0, context.pos - line.from);
    if (before.includes("#")) return null;
    const word = before.match(/[\w.-]*$/)[0];
    if (!word && !context.explicit) return null;
    tables ??= load().catch(() => {
      tables = undefined;
      return [];
    });
    const rows = await tables;
    const started = before.trimStart().replace(/^(no|default)\s+/, "");
    const words = started.split(/\s+/);
    const section = sectionAt(context.state.doc, line.number - 1);
    let from = context.pos - word.length;
    let fitting;
    if (words.length <= 1) {
      fitting = rows.filter((k) => k.where.includes(section) || k.where.includes("between sections"));
    } else if (options[words[0]] && words.length > 2) {
      fitting = rows.filter((k) => k.where.includes(options[words[0]]));
    } else {
      // The second word of keywords with two: "timeout cl".
      fitting = rows.filter((k) => k.where.includes(section) && k.name.startsWith(words[0] + " "));
      from = line.from + before.indexOf(words[0]);
    }
    if (fitting.length === 0) return null;
    return {
      from,
      options: fitting.map((k) => ({ label: k.name, detail: k.args, info: k.help, type: "keyword" })),
      validFor: /^[\w. -]*$/,
    };
  };
}
