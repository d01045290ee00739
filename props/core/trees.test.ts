/** Laws of trees: flattening, mapping and zipping, and that structure alone decides the key. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as t from "../../core/index.js";
import { trees } from "../../testing/trees.js";

const holds = <T>(draw: fc.Arbitrary<T>, body: (value: T) => void): void =>
  fc.assert(fc.property(draw, body), { numRuns: 200 });

const tree = trees();

/** The same tree with the keys of its records in the opposite order. */
const turned = (part: t.Tree): t.Tree => {
  if (t.isTensor(part)) return part;
  if (Array.isArray(part)) return part.map(turned);
  return Object.fromEntries(
    Object.entries(part)
      .reverse()
      .map(([name, inner]) => [name, turned(inner as t.Tree)]),
  );
};

const marked = (x: t.Tensor, mark: number): t.Tensor => t.full([mark, ...x.shape], 0, x.dtype);

test("unflatten ∘ leaves is the identity; leaves ∘ unflatten too", () => {
  holds(tree, (tr) => {
    assert.deepEqual(t.unflatten(tr, t.leaves(tr)), tr);
    const other = t.leaves(tr).map((x) => marked(x, 1));
    assert.ok(t.leaves(t.unflatten(tr, other)).every((x, i) => x === other[i]));
  });
});

test("unflatten refuses another number of leaves", () => {
  holds(tree, (tr) => {
    assert.throws(() => t.unflatten(tr, [...t.leaves(tr), t.zeros([])]), t.ShapeError);
    if (t.leaves(tr).length > 0) assert.throws(() => t.unflatten(tr, t.leaves(tr).slice(1)), t.ShapeError);
  });
});

test("treeMap: identity, composition, paths", () => {
  holds(tree, (tr) => {
    assert.deepEqual(
      t.treeMap((x) => x, tr),
      tr,
    );
    const [f, g] = [1, 2].map((mark) => (x: t.Tensor) => marked(x, mark));
    const shapesOf = (part: t.Tree) => t.leaves(part).map(({ shape }) => shape);
    assert.deepEqual(shapesOf(t.treeMap(f, t.treeMap(g, tr))), shapesOf(t.treeMap((x) => f(g(x)), tr)));
    const seen: [string, t.Tensor][] = [];
    t.treeMap((x, path) => {
      seen.push([path, x]);
      return x;
    }, tr);
    assert.deepEqual(
      seen.map(([path]) => path),
      t.namedLeaves(tr).map(([path]) => path),
    );
    assert.ok(t.namedLeaves(tr).every(([, x], i) => x === t.leaves(tr)[i]));
  });
});

test("the order in which a record was written does not matter", () => {
  holds(tree, (tr) => {
    const other = turned(tr);
    assert.equal(t.treeKey(other), t.treeKey(tr));
    assert.ok(t.leaves(other).every((x, i) => x === t.leaves(tr)[i]));
  });
});

test("treeKey tells trees of different structure, shape or dtype apart", () => {
  const shapeOf = (part: t.Tree): unknown => {
    if (t.isTensor(part)) return `${part.dtype} ${part.shape}`;
    if (Array.isArray(part)) return part.map(shapeOf);
    return {
      record: Object.entries(part)
        .map(([name, inner]) => [name, shapeOf(inner as t.Tree)])
        .sort(),
    };
  };
  holds(fc.tuple(tree, tree), ([a, b]) => {
    const same = JSON.stringify(shapeOf(a)) === JSON.stringify(shapeOf(b));
    assert.equal(t.treeKey(a) === t.treeKey(b), same);
  });
  assert.notEqual(t.treeKey({ a: t.zeros([1, 2]) }), t.treeKey({ a: t.zeros([12]) }));
  assert.notEqual(t.treeKey([t.zeros([1])]), t.treeKey({ 0: t.zeros([1]) }));
});

test("treeZip: columns meet by path; trees of other structure are refused, naming the place", () => {
  holds(tree, (tr) => {
    const other = t.treeMap((x) => marked(x, 1), tr);
    const zipped = t.treeZip(([a, b]) => t.full([...a.shape, ...b.shape], 0), tr, turned(other));
    assert.deepEqual(
      t.leaves(zipped).map(({ shape }) => shape),
      t.leaves(tr).map(({ shape }) => [...shape, 1, ...shape]),
    );
  });
  const [x, y] = [t.zeros([1]), t.zeros([2])];
  assert.throws(() => t.treeZip(([a]) => a, { a: x, b: y }, { a: x, c: y }), /ShapeError: treeZip.*"c"/);
  assert.throws(() => t.treeZip(([a]) => a, { a: x, b: y }, { a: x }), t.ShapeError);
  assert.throws(() => t.treeZip(([a]) => a, { a: x }, { a: x, b: y }), t.ShapeError);
});

test("paths join with dots, in sorted order", () => {
  const x = t.zeros([1]);
  const paths = t.namedLeaves({ z: x, layers: [{ w: x, b: x }, x] }).map(([path]) => path);
  assert.deepEqual(paths, ["layers.0.b", "layers.0.w", "layers.1", "z"]);
  assert.deepEqual(
    t.namedLeaves(x).map(([path]) => path),
    [""],
  );
});

test("what is no tensor, array or record is refused with its path", () => {
  const wrong = { a: [t.zeros([1]), 3] } as unknown as t.Tree;
  for (const use of [t.leaves, t.treeKey, t.namedLeaves, (tr: t.Tree) => t.treeMap((x) => x, tr)])
    assert.throws(() => use(wrong), /ShapeError: (leaves|treeKey|namedLeaves|treeMap): number at "a\.1"/);
});
