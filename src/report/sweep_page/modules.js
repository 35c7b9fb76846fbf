// Vega is packaged as AMD modules. The build sets define.module before each; exports stay by name.
const modules = {};
function define(needs, factory) {
  const exports = (modules[define.module] = {});
  factory(...needs.map((need) => (need === "exports" ? exports : modules[need])));
}
define.amd = true;
