// The only script of our own, for what no server can do: no browser sends it `#L10-L20`, which people
// paste. All else works without it: our own links name the lines in `?line=`, too.
const asked = () => /^#L([1-9]\d{0,14})(?:-L?([1-9]\d{0,14}))?$/.exec(location.hash)?.slice(1, 3) ?? [];

function addressOf(lines) {
  const [first, last = first] = lines.filter(Boolean).map(Number).sort((one, other) => one - other);
  const address = new URL(location);
  for (const place of ["from", "to", "after", "before", "none"]) address.searchParams.delete(place);
  address.searchParams.set("line", first === last ? first : `${first}-${last}`);
  address.hash = first === last ? `L${first}` : `L${first}-L${last}`;
  return address;
}

function showLines() {
  const isShown = document.getElementById(location.hash.slice(1));
  const address = asked().length && !isShown && addressOf(asked());
  if (address && address.search !== location.search) location.replace(address);
}

addEventListener("hashchange", showLines);
addEventListener("click", (press) => {
  const line = press.shiftKey && press.target.closest("#log .line[id] > a")?.parentNode.id.slice(1);
  if (line) press.preventDefault(), location.assign(addressOf([asked()[0], line]));
});
showLines();
