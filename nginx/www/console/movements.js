// movements.js: the rows behind a number of the revenue.

export { showMovements as show } from "./revenue.js";
