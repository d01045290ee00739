/** taugrad's cpu device, from the built package: node taugrad.mjs FOLDER IDS ROUNDS */
import { measure, NEW_TOKENS, WAYS } from "./measure.mjs";

const [, , folder, ids, rounds] = process.argv;
const built = (subpath) => import(new URL(`../../../dist/${subpath}.js`, import.meta.url).href);
const { open } = await built("devices");
const { generator, loadModel, loadTokenizer, streamText } = await built("models");

const device = await open("cpu");
const load = async () => {
  const speaker = { ...loadModel(folder, device), tokenizer: loadTokenizer(folder) };
  const go = generator(speaker.config, device);
  const prompt = JSON.parse(ids);
  return async (way, told) => {
    const all = [...prompt];
    const options = { maxNewTokens: NEW_TOKENS, eosIds: [], ...WAYS[way].taugrad };
    for await (const { token, text } of streamText(go, speaker, prompt, options)) {
      all.push(token);
      told(text);
    }
    return all;
  };
};
await measure(load, Number(rounds));
await device.close();
