// Tables of how delays are distributed, as iproute2's netem/ makes them: inverse distribution functions in 16-bit numbers, a
// standard deviation being 8192. Only + - * / are used, so that every engine makes the same numbers.

/** Points of a distribution, and how many of them a table keeps. */
const TABLE_SIZE = 16384
const KEPT_EACH = 4
/** A standard deviation (NETEM_DIST_SCALE). */
const SCALE = 8192
const MAX = 32767
const MIN = -32768

/** exp(x) for x from -50 to 0: by halving, and a series that has converged. */
function exp(x: number): number {
  let halvings = 0
  let y = x
  for (; y < -0.5; halvings++) y /= 2
  let term = 1
  let sum = 1
  for (let n = 1; n < 20; n++) {
    term *= y / n
    sum += term
  }
  for (; halvings > 0; halvings--) sum *= sum
  return sum
}

const INV_SQRT_2PI = 0.3989422804014327

function density(x: number): number {
  return INV_SQRT_2PI * exp((-x * x) / 2)
}

/** Steps of the integration of a density. */
const STEP = 1 / 4096

/** For each entry of a table the x up to which so many of the points lie: by integration (Simpson) from -10 up. */
function inverseNormal(): number[] {
  const count = TABLE_SIZE / KEPT_EACH
  const out: number[] = []
  let x = -10
  let below = 0
  let left = density(x)
  while (out.length < count) {
    const right = density(x + STEP)
    const area = (STEP / 6) * (left + 4 * density(x + STEP / 2) + right)
    for (;;) {
      const wanted = (out.length * KEPT_EACH + 0.5) / TABLE_SIZE - below
      if (wanted > area || out.length === count) break
      out.push(x + (STEP * wanted) / area)
    }
    below += area
    left = right
    x += STEP
  }
  return out
}

/** To the nearest whole number, as 16 bits hold it. */
function clamp(value: number): number {
  return Math.max(MIN, Math.min(MAX, Math.floor(value + 0.5)))
}

function normal(): number[] {
  return inverseNormal().map((x) => clamp(x * SCALE))
}

/** The third root, by Newton's method. */
function cubeRoot(x: number): number {
  let y = 1
  for (let n = 0; n < 60; n++) y = (2 * y + x / (y * y)) / 3
  return y
}

const PARETO_POINTS = 65536
const PARETO_EACH = 16

/** A Pareto distribution of exponent 3, with mean 0. */
function paretoAt(i: number): number {
  return (1 / cubeRoot(i / PARETO_POINTS) - 1.5) * (4 / 3)
}

function pareto(): number[] {
  return Array.from({ length: PARETO_POINTS / PARETO_EACH }, (_, n) =>
    clamp(paretoAt(PARETO_POINTS - n * PARETO_EACH) * SCALE),
  )
}

/** A quarter normal, three quarters Pareto. */
function paretonormal(): number[] {
  const tail = (n: number): number => Math.min(MAX, paretoAt(PARETO_POINTS - n * PARETO_EACH) * SCALE)
  return inverseNormal().map((x, n) => clamp(0.25 * x * SCALE + 0.75 * tail(n)))
}

const MAKERS: Readonly<Record<string, () => number[]>> = { normal, pareto, paretonormal }

/** The table of this name, undefined: there is none. */
export function distributionTable(name: string): number[] | undefined {
  return MAKERS[name]?.()
}
