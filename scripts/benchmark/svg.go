package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// point is one measurement of a series.
type point struct{ x, y float64 }

// series is a line of a plot.
type series struct {
	name   string
	points []point
}

// plot is a diagram with lines.
type plot struct {
	title, x, y string
	logX, logY  bool
	lines       []series
}

const (
	plotWidth, plotHeight = 640, 400
	left, right           = 70, 20
	top, bottom           = 40, 60
	plotTicks             = 6
)

// colours tell lines apart, also for people who see few colours.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"}

// axis maps values to pixels.
type axis struct {
	min, max   float64
	log        bool
	from, size float64 // pixels
}

func newAxis(values []float64, log bool, from, size float64) axis {
	a := axis{log: log, from: from, size: size, min: math.Inf(1), max: math.Inf(-1)}
	for _, v := range values {
		a.min, a.max = min(a.min, v), max(a.max, v)
	}
	if len(values) == 0 {
		a.min, a.max = 0, 1
	}
	if log {
		a.min, a.max = math.Pow(10, math.Floor(math.Log10(a.min))), math.Pow(10, math.Ceil(math.Log10(a.max)))
		if a.min == a.max {
			a.max *= 10
		}
		return a
	}
	a.min = 0
	step := niceStep(a.max)
	a.max = max(math.Ceil(a.max/step), 1) * step
	return a
}

// niceStep is a round distance of about plotTicks marks up to v.
func niceStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	raw := v / plotTicks
	p := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, f := range []float64{1, 2, 5} {
		if raw <= f*p {
			return f * p
		}
	}
	return 10 * p
}

func (a axis) at(v float64) float64 {
	if a.log {
		return a.from + a.size*(math.Log10(v)-math.Log10(a.min))/(math.Log10(a.max)-math.Log10(a.min))
	}
	return a.from + a.size*(v-a.min)/(a.max-a.min)
}

func (a axis) ticks() (list []float64) {
	if a.log {
		for v := a.min; v <= a.max*1.001; v *= 10 {
			list = append(list, v)
		}
		return list
	}
	step := niceStep(a.max)
	for v := 0.0; v <= a.max*1.001; v += step {
		list = append(list, v)
	}
	return list
}

// svg draws the plot. A logarithmic axis leaves out what is not above zero.
func (p *plot) svg() string {
	var xs, ys []float64
	shown := func(q point) bool { return (!p.logX || q.x > 0) && (!p.logY || q.y > 0) }
	for _, l := range p.lines {
		for _, q := range l.points {
			if shown(q) {
				xs, ys = append(xs, q.x), append(ys, q.y)
			}
		}
	}
	x := newAxis(xs, p.logX, left, plotWidth-left-right)
	y := newAxis(ys, p.logY, plotHeight-bottom, -(plotHeight - top - bottom))
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="12">`+"\n", plotWidth, plotHeight)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	text(&b, plotWidth/2, 20, "middle", p.title, `font-size="15"`)
	text(&b, (left+plotWidth-right)/2, plotHeight-12, "middle", p.x, "")
	text(&b, 16, (top+plotHeight-bottom)/2, "middle", p.y, fmt.Sprintf(`transform="rotate(-90 16 %d)"`, (top+plotHeight-bottom)/2))
	for _, v := range x.ticks() {
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1[1]f" y2="%[3]d" stroke="#ddd"/>`+"\n", x.at(v), top, plotHeight-bottom)
		text(&b, x.at(v), plotHeight-bottom+18, "middle", label(v), "")
	}
	for _, v := range y.ticks() {
		fmt.Fprintf(&b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1[2]f" stroke="#ddd"/>`+"\n", left, y.at(v), plotWidth-right)
		text(&b, left-6, y.at(v)+4, "end", label(v), "")
	}
	for i, l := range p.lines {
		c := colours[i%len(colours)]
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="140" height="18" fill="white" fill-opacity="0.8"/>`+"\n", left+6, top+5+i*18)
		var path []string
		for _, q := range l.points {
			if shown(q) {
				path = append(path, fmt.Sprintf("%.1f,%.1f", x.at(q.x), y.at(q.y)))
				fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x.at(q.x), y.at(q.y), c)
			}
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(path, " "), c)
		fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%[2]d" stroke="%[4]s" stroke-width="3"/>`+"\n", left+12, top+14+i*18, left+34, c)
		text(&b, left+40, float64(top+18+i*18), "start", l.name, "")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func text(b *strings.Builder, x, y float64, anchor, s, more string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" %s>%s</text>`+"\n", x, y, anchor, more, html.EscapeString(s))
}

func label(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%gk", v/1e3)
	}
	return fmt.Sprintf("%.4g", v)
}
