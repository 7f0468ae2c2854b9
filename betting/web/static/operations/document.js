"use strict";
// The theme lays the page out once it has loaded, so that the heading which an address names may have moved: go there again.
addEventListener("load", () => {
  const heading = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (heading) { heading.scrollIntoView(); }
});
