/**
 * gl-matrix returns the array that it was given to write to, but its own types forget of which kind that array was.
 * With these overloads a tuple stays a tuple: `const sum: Vector3 = vec3.add([0, 0, 0], a, b)`. Arrays are always given, never made with `create()`,
 * whose arrays have single precision.
 */
declare module 'gl-matrix' {
  export namespace vec3 {
    export function add<T extends vec3>(out: T, a: ReadonlyVec3, b: ReadonlyVec3): T;
    export function subtract<T extends vec3>(out: T, a: ReadonlyVec3, b: ReadonlyVec3): T;
    export function scale<T extends vec3>(out: T, a: ReadonlyVec3, factor: number): T;
    export function scaleAndAdd<T extends vec3>(out: T, a: ReadonlyVec3, b: ReadonlyVec3, factor: number): T;
    export function cross<T extends vec3>(out: T, a: ReadonlyVec3, b: ReadonlyVec3): T;
    export function normalize<T extends vec3>(out: T, a: ReadonlyVec3): T;
    export function negate<T extends vec3>(out: T, a: ReadonlyVec3): T;
    export function lerp<T extends vec3>(out: T, a: ReadonlyVec3, b: ReadonlyVec3, fraction: number): T;
    export function transformQuat<T extends vec3>(out: T, a: ReadonlyVec3, q: ReadonlyQuat): T;
  }
  export namespace quat {
    export function multiply<T extends quat>(out: T, a: ReadonlyQuat, b: ReadonlyQuat): T;
    export function conjugate<T extends quat>(out: T, a: ReadonlyQuat): T;
    export function setAxisAngle<T extends quat>(out: T, axis: ReadonlyVec3, angle: number): T;
    export function slerp<T extends quat>(out: T, a: ReadonlyQuat, b: ReadonlyQuat, fraction: number): T;
    export function fromMat3<T extends quat>(out: T, m: ReadonlyMat3): T;
  }
  export namespace vec4 {
    // quat.normalize is this one.
    export function normalize<T extends vec4>(out: T, a: ReadonlyVec4): T;
  }
  export namespace mat4 {
    export function fromRotationTranslation<T extends mat4>(out: T, q: ReadonlyQuat, v: ReadonlyVec3): T;
  }
}

export {};
