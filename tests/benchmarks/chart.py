"""A chart with both axes logarithmic, as SVG: measured points, and the straight line of a cost that grows in proportion."""
import html
import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 340, 70, 20, 40, 50


def ticks(low, high):
    return [10.0**e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


class Panel:
    def __init__(self, curve, offset):
        self.curve, self.offset = curve, offset
        self.points = [(p["x"], p["median_ms"]) for p in curve["points"]]
        xs, ys = zip(*self.points)
        self.low_x, self.high_x = min(xs), max(max(xs), 2 * min(xs))
        self.marks = ticks(min(ys), max(ys))
        self.low_y, self.high_y = self.marks[0], max(self.marks[-1], 10 * self.marks[0])

    def x(self, value):
        share = math.log(value / self.low_x) / math.log(self.high_x / self.low_x)
        return self.offset + LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        share = math.log(value / self.low_y) / math.log(self.high_y / self.low_y)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def svg(self):
        text, left, right = html.escape, self.offset + LEFT, self.offset + WIDTH - RIGHT
        yield f'<text x="{left}" y="22" font-weight="bold">{text(self.curve["title"])}</text>'
        for mark in self.marks:
            yield f'<line x1="{left}" x2="{right}" y1="{self.y(mark):.1f}" y2="{self.y(mark):.1f}" stroke="#ddd"/>'
            yield f'<text x="{left - 6}" y="{self.y(mark) + 4:.1f}" text-anchor="end">{mark:g} ms</text>'
        for value, _ in self.points:
            yield f'<text x="{self.x(value):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value}</text>'
        yield f'<text x="{(left + right) / 2:.1f}" y="{HEIGHT - 10}" text-anchor="middle">{text(self.curve["x"])}</text>'
        yield self.proportion()
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in self.points)
        yield f'<polyline points="{path}" fill="none" stroke="#1660a8" stroke-width="2"/>'
        for x, y in self.points:
            yield f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="3.5" fill="#1660a8"><title>{x}: {y:.3f} ms</title></circle>'

    def proportion(self):
        """Through the last point, as far down as the chart goes."""
        last_x, last_y = self.points[-1]
        first_x = max(self.low_x, last_x * self.low_y / last_y)
        return (f'<line x1="{self.x(first_x):.1f}" y1="{self.y(last_y * first_x / last_x):.1f}" x2="{self.x(last_x):.1f}" '
                f'y2="{self.y(last_y):.1f}" stroke="#c33" stroke-dasharray="5 4"/>')


def svg(curves):
    """Of each curve: title, x (name of its axis), points (x, median_ms, both above 0)."""
    panels = [Panel(curve, i * WIDTH) for i, curve in enumerate(curves)]
    width = WIDTH * len(panels)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" font-family="sans-serif" font-size="11">',
             f'<rect width="{width}" height="{HEIGHT}" fill="#fff"/>']
    for panel in panels:
        lines += panel.svg()
    return "\n".join([*lines, "</svg>"]) + "\n"
