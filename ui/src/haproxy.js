// HAProxy's language for CodeMirror: words, quotes, escapes and comments as the
// configuration manual, section 2.2, has them.
import { StreamLanguage } from "@codemirror/language";

const sections = /^(global|defaults|frontend|backend|listen|peers|resolvers|userlist|mailers|cache|program|http-errors|ring|log-forward|fcgi-app)$/;
const words = /^(tcp|http|roundrobin|leastconn|source|first|random|static-rr|on|off|check|backup|disabled|weight|maxconn|inter|fall|rise|if|unless|or|TCP|HTTP|local\d|daemon|kern|user)$/;

export const haproxy = StreamLanguage.define({
  name: "haproxy",
  startState: () => ({ word: 0, section: false, quote: "", indent: 0 }),
  copyState: (s) => ({ ...s }),
  token(stream, state) {
    if (stream.sol() && !state.quote) {
      state.word = 0;
      state.section = false;
    }
    if (state.quote) return inQuotes(stream, state);
    if (state.word === 0 && !/^\s*$/.test(stream.string)) state.indent = stream.indentation();
    if (stream.eatSpace()) return null;
    const c = stream.peek();
    if (c === "#") {
      stream.skipToEnd();
      return "comment";
    }
    if (c === '"' || c === "'") {
      state.quote = stream.next();
      return inQuotes(stream, state);
    }
    return word(stream, state);
  },
  // A new line goes on where the one before begins; below a section's name it is
  // one step in.
  indent(state, after, context) {
    if (sections.test(after.trim().split(/\s/)[0])) return 0;
    return state.section ? state.indent + context.unit : state.indent;
  },
  languageData: { commentTokens: { line: "#" } },
});

function inQuotes(stream, state) {
  while (!stream.eol()) {
    const c = stream.next();
    if (c === "\\" && state.quote === '"') stream.next();
    else if (c === state.quote) {
      state.quote = "";
      state.word++;
      break;
    }
  }
  return "string";
}

function word(stream, state) {
  let text = "";
  while (!stream.eol() && !/[\s"'#]/.test(stream.peek())) {
    const c = stream.next();
    text += c;
    if (c === "\\" && !stream.eol()) text += stream.next();
  }
  const place = state.word++;
  if (place === 0) {
    if (sections.test(text)) {
      state.section = true;
      return "heading";
    }
    if (text === "no" || text === "default") {
      state.word = 0;
      return "modifier";
    }
    return text.startsWith(".") ? "meta" : "keyword";
  }
  if (state.section) return "className";
  if (/^(\d+)(us|ms|s|m|h|d|k|M|G|%)?$/.test(text)) return "number";
  if (/^[\w.*\-[\]:]*:\d+(-\d+)?$/.test(text) || /^\d+\.\d+\.\d+\.\d+/.test(text)) return "literal";
  if (words.test(text)) return "atom";
  return null;
}
