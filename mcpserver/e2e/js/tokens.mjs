// Counts the tokens of a text on standard input, as the models of OpenAI since
// GPT-4o count them. Those of others come to about as many.
import { readFileSync } from "node:fs";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";

console.log(countTokens(readFileSync(0, "utf8")));
