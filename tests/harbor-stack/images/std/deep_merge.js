// What Harbor uses of @std/collections/deep-merge: objects are merged, lists are joined, all else is replaced.
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

export function deepMerge(record, other) {
  const merged = { ...record };
  for (const [key, value] of Object.entries(other)) {
    const before = merged[key];
    if (isObject(before) && isObject(value)) merged[key] = deepMerge(before, value);
    else if (Array.isArray(before) && Array.isArray(value)) merged[key] = [...before, ...value];
    else merged[key] = value;
  }
  return merged;
}
