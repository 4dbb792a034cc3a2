// Parses the Mermaid diagrams of the files and folders that are named: blocks of Markdown, and whole .mmd files.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { JSDOM } from "jsdom";

// The parser cleans labels with a library that wants a document.
const { window } = new JSDOM("");
globalThis.window = window;
globalThis.document = window.document;
const { default: mermaid } = await import("mermaid");

const fault = async (text) => {
    try {
        await mermaid.parse(text);
        return null;
    } catch (error) {
        return error.message;
    }
};

// A check that refuses nothing would prove nothing.
const wrong = ["flowchart LR\n  a --> b[", "sequenceDiagram\n  a->>", "flowchrt LR\n  a --> b"];
for (const text of wrong) {
    if ((await fault(text)) === null) {
        console.error(`a wrong diagram is taken: ${text}`);
        process.exit(1);
    }
}

const diagrams = [];
const read = (path) => {
    if (!path.endsWith(".mmd") && !path.endsWith(".md")) {
        return;
    }
    const text = readFileSync(path, "utf8");
    if (path.endsWith(".mmd")) {
        diagrams.push([path, text]);
    }
    if (path.endsWith(".md")) {
        for (const block of text.matchAll(/^```mermaid\n([\s\S]*?)^```/gm)) {
            const line = text.slice(0, block.index).split("\n").length;
            diagrams.push([`${path}:${line}`, block[1]]);
        }
    }
};
for (const path of process.argv.slice(2)) {
    if (statSync(path).isDirectory()) {
        readdirSync(path).forEach((name) => read(join(path, name)));
    } else {
        read(path);
    }
}

let wrongs = 0;
for (const [place, text] of diagrams) {
    const why = await fault(text);
    if (why !== null) {
        wrongs += 1;
        console.error(`${place}: ${why}`);
    }
}
console.log(`${diagrams.length} diagrams, ${wrongs} wrong`);
// Two are drawn by the program, at least one stands in the book.
process.exit(wrongs > 0 || diagrams.length < 3 ? 1 : 0);
