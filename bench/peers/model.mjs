/** The peers' losses and their AdamW, in the few ops that each peer's adapter gives. */
import { MLP, TINY } from "./data.mjs";

/** Mean cross-entropy against one-hot targets.  logits, targets: [N, V]. */
const crossEntropy = (ops, logits, targets, rows) =>
  ops.mul(ops.sum(ops.mul(ops.logSoftmax(logits), targets)), -1 / rows);

export const mlpLoss = (ops, params, x, targets) => {
  const last = MLP.sizes.length - 2;
  let h = x;
  for (let i = 0; i <= last; i++) {
    const out = ops.add(ops.matmul(h, params[`w${i}`]), params[`b${i}`]);
    h = i < last ? ops.relu(out) : out;
  }
  return crossEntropy(ops, h, targets, MLP.batch);
};

/** A causal transformer of Qwen2 blocks with tied embeddings.  hot: [B·T, V]; targets: [B·(T−1), V]. */
export const tinyLoss = (ops, params, { hot, targets, cosine, sine, mask }) => {
  const { B, T, V, D, H, F, layers, eps } = TINY;
  const K = D / H;
  const linear = (x, name, bias) => {
    const y = ops.matmul(x, ops.transpose(params[`${name}.weight`]));
    return bias ? ops.add(y, params[`${name}.bias`]) : y;
  };
  const norm = (x, name) => {
    const meanSquare = ops.mul(ops.sumLast(ops.mul(x, x)), 1 / D);
    return ops.mul(ops.div(x, ops.sqrt(ops.add(meanSquare, eps))), params[`${name}.weight`]);
  };
  const heads = (x) => ops.permute(ops.reshape(x, [B, T, H, K]), [0, 2, 1, 3]);
  const turn = (x) => {
    const [a, b] = ops.halves(x, [B, H, T, K]);
    return ops.concatLast([
      ops.sub(ops.mul(a, cosine), ops.mul(b, sine)),
      ops.add(ops.mul(b, cosine), ops.mul(a, sine)),
    ]);
  };
  const attention = (x, at) => {
    const [q, k, v] = ["q", "k", "v"].map((part) => heads(linear(x, `${at}.${part}_proj`, true)));
    const scores = ops.mul(ops.matmul(turn(q), ops.permute(turn(k), [0, 1, 3, 2])), 1 / Math.sqrt(K));
    const mixed = ops.matmul(ops.softmax(ops.add(scores, mask)), v);
    return linear(ops.reshape(ops.permute(mixed, [0, 2, 1, 3]), [B * T, D]), `${at}.o_proj`, false);
  };
  const mlp = (x, at) => {
    const gate = linear(x, `${at}.gate_proj`, false);
    const up = linear(x, `${at}.up_proj`, false);
    return linear(ops.reshape(ops.mul(ops.mul(gate, ops.sigmoid(gate)), up), [B * T, F]), `${at}.down_proj`, false);
  };
  let x = ops.matmul(hot, params["model.embed_tokens.weight"]);
  for (let i = 0; i < layers; i++) {
    const at = `model.layers.${i}`;
    x = ops.add(x, attention(norm(x, `${at}.input_layernorm`), `${at}.self_attn`));
    x = ops.add(x, mlp(norm(x, `${at}.post_attention_layernorm`), `${at}.mlp`));
  }
  const logits = ops.matmul(norm(x, "model.norm"), ops.transpose(params["model.embed_tokens.weight"]));
  const before = ops.reshape(ops.dropLastOf(ops.reshape(logits, [B, T, V]), [B, T - 1, V]), [B * (T - 1), V]);
  return crossEntropy(ops, before, targets, B * (T - 1));
};

/** One tensor's AdamW step, as torch computes it; the bias corrections c1 and c2 are data. */
export const adamW = (ops, { w, m, v, g, c1, c2 }, { lr, weightDecay }) => {
  const nextM = ops.add(ops.mul(m, 0.9), ops.mul(g, 0.1));
  const nextV = ops.add(ops.mul(v, 0.999), ops.mul(ops.mul(g, g), 0.001));
  const step = ops.div(ops.div(nextM, c1), ops.add(ops.sqrt(ops.div(nextV, c2)), 1e-8));
  return { w: ops.sub(ops.mul(w, 1 - lr * weightDecay), ops.mul(step, lr)), m: nextM, v: nextV };
};
