// The editor of a configuration file: it stands in for the page's textarea, marks
// what "proxyd -c" finds while one types, and completes keywords. It lives in a
// shadow root, where CodeMirror's styles are constructed style sheets: the page's
// content security policy allows no inline style.
import { autocompletion, closeBrackets, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { HighlightStyle, indentUnit, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { forceLinting, linter, lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import {
  drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { completion } from "./complete.js";
import { haproxy } from "./haproxy.js";

const ini = StreamLanguage.define({
  name: "unit",
  token(stream) {
    if (stream.sol()) {
      if (stream.match(/^\s*[#;].*/)) return "comment";
      if (stream.match(/^\[[^\]]*\]/)) return "heading";
      if (stream.match(/^[^=\s]+(?==)/)) return "keyword";
    }
    stream.next();
    return null;
  },
  languageData: { commentTokens: { line: "#" } },
});

// The colours are the page's variables, which reach into the shadow root.
const colours = HighlightStyle.define([
  { tag: tags.heading, color: "var(--accent)", fontWeight: "700" },
  { tag: tags.keyword, color: "var(--text)", fontWeight: "600" },
  { tag: tags.className, color: "var(--good)", fontWeight: "600" },
  { tag: [tags.number, tags.literal], color: "var(--warn)" },
  { tag: tags.atom, color: "var(--accent)" },
  { tag: tags.string, color: "var(--good)" },
  { tag: [tags.modifier, tags.meta], color: "var(--bad)" },
  { tag: tags.comment, color: "var(--soft)", fontStyle: "italic" },
]);

const theme = EditorView.theme({
  "&": { height: "min(34rem, 65vh)", backgroundColor: "var(--field)", color: "var(--text)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", fontSize: "14px", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--text)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--bg)", color: "var(--soft)", border: "none" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--accent) 8%, transparent)" },
  ".cm-selectionBackground, &.cm-focused .cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground":
    { backgroundColor: "color-mix(in srgb, var(--accent) 28%, transparent)" },
  ".cm-tooltip": { backgroundColor: "var(--card)", color: "var(--text)", border: "1px solid var(--line)", borderRadius: "6px", maxWidth: "38rem" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--accent-text)" },
  ".cm-completionInfo": { padding: ".4rem .6rem" },
  ".cm-diagnostic": { padding: ".35rem .6rem", whiteSpace: "pre-wrap" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--bad)" },
  ".cm-diagnostic-warning": { borderLeftColor: "var(--warn)" },
  // CodeMirror draws these with data: images, which the page's policy refuses.
  ".cm-lintRange-error, .cm-lintRange-warning": { backgroundImage: "none", textDecoration: "underline wavy 1.5px", textUnderlineOffset: "3px" },
  ".cm-lintRange-error": { textDecorationColor: "var(--bad)" },
  ".cm-lintRange-warning": { textDecorationColor: "var(--warn)" },
  ".cm-lint-marker": { content: "none", width: ".7em", height: ".7em", margin: ".35em auto", borderRadius: "50%" },
  ".cm-lint-marker-error": { content: "none", backgroundColor: "var(--bad)" },
  ".cm-lint-marker-warning": { content: "none", backgroundColor: "var(--warn)" },
  ".cm-panels": { backgroundColor: "var(--bg)", color: "var(--text)" },
});

const token = () => document.querySelector("meta[name=csrf]").content;

// mark turns a finding's line and column (in bytes, from 1) into a range: the word
// there, or the line's text.
function mark(doc, finding) {
  const line = doc.line(Math.min(Math.max(finding.line, 1), doc.lines));
  const bytes = new TextEncoder().encode(line.text);
  const before = new TextDecoder().decode(bytes.subarray(0, Math.max(finding.column - 1, 0)));
  let from = line.from + Math.min(before.length, line.length);
  const rest = line.text.slice(from - line.from).match(/^\S+/);
  let to = from + (rest ? rest[0].length : 0);
  if (from === to) {
    from = line.from + (line.text.length - line.text.trimStart().length);
    to = line.to;
  }
  return {
    from: Math.min(from, to), to, message: finding.message, source: `line ${finding.line}`,
    severity: finding.severity === "alert" ? "error" : "warning",
  };
}

function open(textarea) {
  const file = textarea.dataset.file;
  const verdict = document.getElementById("verdict");
  const say = (kind, text) => {
    verdict.className = "verdict " + kind;
    verdict.textContent = text;
  };

  async function judge(view) {
    const doc = view.state.doc;
    let report;
    try {
      const answer = await fetch("/api/v1/check", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRF-Token": token() },
        body: JSON.stringify({ patch: { [file]: doc.toString() } }),
      });
      report = await answer.json();
      if (!answer.ok) {
        say("bad", report.detail ?? report.title);
        return [];
      }
    } catch {
      say("bad", "The appliance does not answer; the text is not judged.");
      return [];
    }
    const findings = report.findings ?? [];
    const alerts = findings.filter((f) => f.severity === "alert");
    if (alerts.length > 0) {
      const place = alerts[0].file === file ? `line ${alerts[0].line}` : `${alerts[0].file}, line ${alerts[0].line}`;
      say("bad", `${alerts.length === 1 ? "1 mistake" : alerts.length + " mistakes"}, the first at ${place}: ${alerts[0].message}`);
    } else if (report.valid) {
      say("good", findings.length ? `Valid, with ${findings.length} ${findings.length === 1 ? "warning" : "warnings"}` : "Valid");
    } else {
      say("bad", "Not valid");
    }
    return findings.filter((f) => f.file === file).map((f) => mark(doc, f));
  }

  const host = document.createElement("div");
  host.className = "editor-host";
  textarea.before(host);
  const root = host.attachShadow({ mode: "open" });
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: textarea.value,
      extensions: [
        lineNumbers(), highlightActiveLine(), highlightActiveLineGutter(), drawSelection(), history(), closeBrackets(),
        highlightSelectionMatches(), indentUnit.of("   "), file === "proxy.cfg" ? haproxy : ini, syntaxHighlighting(colours), theme,
        EditorView.contentAttributes.of({ "aria-label": file, spellcheck: "false" }),
        file === "proxy.cfg" ? autocompletion({ override: [completion()] }) : [],
        lintGutter(), linter(judge, { delay: 400 }),
        keymap.of([...completionKeymap, ...lintKeymap, ...searchKeymap, ...historyKeymap, ...defaultKeymap, indentWithTab]),
        EditorView.updateListener.of((u) => {
          if (u.docChanged) textarea.value = u.state.doc.toString();
        }),
      ],
    }),
  });
  textarea.hidden = true;
  host.view = view; // for scripts that drive the page
  forceLinting(view);
  const diagnostics = [...document.querySelectorAll(".findings a.place")].filter((a) => a.dataset.file === file);
  if (diagnostics.length > 0) {
    view.dispatch(setDiagnostics(view.state, diagnostics.map((a) => mark(view.state.doc, {
      line: Number(a.dataset.line), column: Number(a.dataset.column),
      severity: a.closest("li").className, message: a.closest("li").querySelector(".message").textContent,
    }))));
  }
  jumps(view, file);
  guardText(textarea);
}

// A finding's place leads to it in the text.
function jumps(view, file) {
  for (const a of document.querySelectorAll(".findings a.place")) {
    if (a.dataset.file !== file) continue;
    a.addEventListener("click", (event) => {
      event.preventDefault();
      const { from } = mark(view.state.doc, { line: Number(a.dataset.line), column: Number(a.dataset.column) });
      view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
      view.focus();
    });
  }
}

// Text that was typed and not sent asks before it is lost.
function guardText(textarea) {
  const first = textarea.value;
  let sent = false;
  textarea.form.addEventListener("submit", () => { sent = true; });
  addEventListener("beforeunload", (event) => {
    if (!sent && textarea.value !== first) event.preventDefault();
  });
}

const textarea = document.querySelector("textarea#text");
if (textarea) open(textarea);
