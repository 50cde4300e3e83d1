"""What is wrong with the layout of a page: functions in JavaScript that find it, and waiting for one that fits."""

from typing import Any

#: Returns the elements that reach beyond the page's right edge, other than those in boxes that scroll by themselves.
WIDE = """() => {
    const scrolls = (element) => {
        for (let one = element; one && one !== document.body; one = one.parentElement) {
            const style = getComputedStyle(one);
            if (['auto', 'scroll', 'hidden', 'clip'].includes(style.overflowX)) return true;
            if (style.position === 'absolute' && style.clipPath !== 'none') return true;
        }
        return false };
    return [...document.querySelectorAll('body *')]
        .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !scrolls(one))
        .map((one) => `${one.tagName}.${one.className}: ${one.textContent.trim().slice(0, 60)}`) }"""

#: Returns the pairs of buttons, links, fields and headings that cover each other; of an open dialog, only its own. A
#: link that is broken into lines is one box for each line, and what is scrolled out of a box is not there.
OVERLAPS = """() => {
    const seen = (element) => [...element.getClientRects()].map(({left, top, right, bottom}) => {
        const part = {left, top, right, bottom};
        for (let one = element.parentElement; one && one !== document.body; one = one.parentElement) {
            if (getComputedStyle(one).overflow === 'visible') continue;
            const frame = one.getBoundingClientRect();
            part.left = Math.max(part.left, frame.left);
            part.top = Math.max(part.top, frame.top);
            part.right = Math.min(part.right, frame.right);
            part.bottom = Math.min(part.bottom, frame.bottom);
        }
        return part }).filter((part) => part.right - part.left > 1 && part.bottom - part.top > 1);
    const scope = document.querySelector('dialog[open]') ?? document;
    const boxes = [...scope.querySelectorAll('button, a[href], input, select, textarea, summary, h1, h2, h3')]
        .filter((one) => one.checkVisibility({checkOpacity: true, checkVisibilityCSS: true}) && !one.matches('.skip'))
        .filter((one) => !one.closest('svg'))
        .flatMap((one) => seen(one).map((box) => [one, box]));
    const found = [];
    boxes.forEach(([one, a], at) => boxes.slice(at + 1).forEach(([other, b]) => {
        if (one === other || one.contains(other) || other.contains(one)) return;
        const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (width > 2 && height > 2) found.push(`${one.outerHTML.slice(0, 90)} and ${other.outerHTML.slice(0, 90)}`);
    }));
    return found }"""


def wait_until_fits(page: Any) -> None:
    """Wait until a page is no wider than its window: charts and styles follow a change of the window later."""
    page.wait_for_function("() => document.documentElement.scrollWidth <= innerWidth")


def wait_until_settled(page: Any) -> None:
    """Wait until nothing is read any more, and all styles and pictures are there: then nothing moves by itself."""
    page.wait_for_function(
        """() => !document.querySelector('[aria-busy=true], .loading') &&
            [...document.querySelectorAll('link[rel=stylesheet]')].every((link) => link.sheet) &&
            [...document.images].every((image) => image.complete)"""
    )
