import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadTokenizer, type Tokenizer } from "../../models/text/tokenizer.js";

/** A byte as byte-level vocabularies write it: printable Latin-1 as it is, the others from U+0100 on.  Radford et al. 2019. */
const spelledByte = (byte: number): string => {
  const isPlain = (b: number): boolean => (b > 0x20 && b < 0x7f) || (b > 0xa0 && b !== 0xad && b <= 0xff);
  if (isPlain(byte)) return String.fromCharCode(byte);
  const others = Array.from({ length: 256 }, (_, b) => b).filter((b) => !isPlain(b));
  return String.fromCharCode(0x100 + others.indexOf(byte));
};

const special = (content: string, id: number) => ({
  ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
});

const load = (vocab: readonly string[], rest: Readonly<Record<string, unknown>>, config: object = {}): Tokenizer => {
  const folder = mkdtempSync(join(tmpdir(), "taugrad-tokenizer-"));
  try {
    const definition = {
      ...{
        version: "1.0",
        truncation: null,
        padding: null,
        normalizer: null,
        pre_tokenizer: null,
        post_processor: null,
      },
      added_tokens: vocab.flatMap((token, id) => (/^<(s|\/s|\|.*\|)>$/.test(token) ? [special(token, id)] : [])),
      ...rest,
    };
    writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(definition));
    writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(config));
    return loadTokenizer(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const bpe = (vocab: readonly string[], more: object = {}) => ({
  type: "BPE",
  merges: [],
  vocab: Object.fromEntries(vocab.map((token, id) => [token, id])),
  ...more,
});

/**
 * Tokens of bytes, whole characters or parts of them: of "é", "€" and "😀" too. Special: <s> (0) and <|end|> (1). Reads texts
 * of "a", blanks, line breaks, "é" and "€".
 */
export const byteLevelTokenizer = (chatTemplate?: string): Tokenizer => {
  const bytes = (...list: number[]): string => list.map(spelledByte).join("");
  const text = (s: string): string => bytes(...Buffer.from(s));
  const vocab = [
    ...["<s>", "<|end|>", text("a"), text(" b"), text(" "), text("\n"), text("é"), bytes(0xc3), bytes(0xa9)],
    ...[bytes(0xe2), bytes(0x82), bytes(0xac), bytes(0x82, 0xac), bytes(0xe2, 0x82), bytes(0xac, 0x61)],
    ...[bytes(0xf0, 0x9f), bytes(0x98), bytes(0x80), text("\uFFFD")],
  ];
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false };
  const pieces = { model: bpe(vocab), pre_tokenizer: byteLevel, decoder: byteLevel };
  return load(vocab, pieces, chatTemplate === undefined ? {} : { chat_template: chatTemplate });
};

/** As SentencePiece vocabularies: "▁" for blanks, bytes for what has no token. Special: <s> (0) and </s> (1). */
export const byteFallbackTokenizer = (): Tokenizer => {
  const vocab = [
    ...["<s>", "</s>", "▁", "▁a", "b", "▁▁", "é", "<0x0A>", "<0xC3>", "<0xA9>", "<0xE2>", "<0x82>", "<0xAC>", "<0x41>"],
    ...["<0xF0>", "<0x9F>", "<0x98>", "<0x80>", "\uFFFD"],
  ];
  const decoders = [
    { type: "Replace", pattern: { String: "▁" }, content: " " },
    { type: "ByteFallback" },
    { type: "Fuse" },
    { type: "Strip", content: " ", start: 1, stop: 0 },
  ];
  return load(vocab, { model: bpe(vocab, { byte_fallback: true }), decoder: { type: "Sequence", decoders } });
};

/** As `byteFallbackTokenizer`, with the decoder of older files. */
export const metaspaceTokenizer = (): Tokenizer => {
  const vocab = ["<s>", "</s>", "▁", "▁a", "b", "▁▁", "é", "▁the", "c▁d", "\n"];
  const decoder = { type: "Metaspace", replacement: "▁", add_prefix_space: true, prepend_scheme: "always" };
  return load(vocab, { model: bpe(vocab), decoder });
};
