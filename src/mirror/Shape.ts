import type { AnswerShape } from "../config/mirror.ts";
import { eachOf, parseTemplate, type Reference, type Template } from "../config/template.ts";

/** A shape, read once: what it says as JSON, and as text. */
export interface Shape {
  value: Part;
  isStructured: boolean;
  text: "json" | "indented" | "none" | Template;
  /** What it names: the paths of its references. */
  references: readonly (readonly string[])[];
}

/** A part of the value of a shape. */
export type Part =
  /** JSON, as it is. */
  | string
  | { reference: Reference }
  | { template: Template }
  | { each: Part }
  | { elements: readonly Part[] }
  /** By their names as JSON. */
  | { members: readonly (readonly [string, Part])[] };

const shapes = new WeakMap<AnswerShape, Shape>();

/** What a shape says. */
export function shapeOf(shape: AnswerShape): Shape {
  let read = shapes.get(shape);
  if (!read) shapes.set(shape, (read = readShape(shape)));
  return read;
}

function readShape({ value, isStructured, text }: AnswerShape): Shape {
  const references: (readonly string[])[] = [];
  const note = (template: Template) => {
    for (const piece of template) if (typeof piece !== "string") references.push(piece.path);
    return template;
  };
  const part = readPart(value, note);
  const template = typeof text === "string" ? text : note(templateOf(text.template));
  return { value: part, isStructured, text: template, references };
}

function readPart(value: unknown, note: (template: Template) => Template): Part {
  if (typeof value === "string") {
    const template = note(templateOf(value));
    const [first, ...others] = template;
    if (others.length === 0 && typeof first === "object") return { reference: first };
    return template.every((piece) => typeof piece === "string") ? JSON.stringify(template.join("")) : { template };
  }
  const each = eachOf(value);
  if (each) return { each: readPart(each.each, note) };
  if (Array.isArray(value)) return { elements: value.map((element) => readPart(element, note)) };
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return {
    members: Object.entries(value).map(([name, member]) => [JSON.stringify(name), readPart(member, note)]),
  };
}

/** Whether a shape says anything of what has this name. */
export function isNamed(shape: AnswerShape, name: string): boolean {
  return shapeOf(shape).references.some(([first]) => first === name);
}

/** What a text of the configuration says as a template: its form has been checked there. */
export function templateOf(text: string): Template {
  return parseTemplate(text) ?? [text];
}
