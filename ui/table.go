package ui

// tableColumn is one column of a small table. Those with the highest drop go
// first where the width is short; 0 stays.
type tableColumn struct {
	head  string
	width int
	left  bool // text stands at its left edge
	drop  int
	id    int // what to write in it
}

// columnGap is the blank cells before a column.
const columnGap = 2

// fitColumns drops columns until the rest stand in width cells.
func fitColumns(cols []tableColumn, width int) []tableColumn {
	kept := append([]tableColumn(nil), cols...)
	for tableWidth(kept) > width {
		worst := -1
		for i, c := range kept {
			if c.drop > 0 && (worst < 0 || c.drop > kept[worst].drop) {
				worst = i
			}
		}
		if worst < 0 {
			break
		}
		kept = append(kept[:worst], kept[worst+1:]...)
	}
	return kept
}

// tableWidth is the cells that columns take, with one before the first.
func tableWidth(cols []tableColumn) int {
	n := 1
	for i, c := range cols {
		if i > 0 {
			n += columnGap
		}
		n += c.width
	}
	return n
}

// drawColumnHeads writes the heads.
func drawColumnHeads(a area, cols []tableColumn) {
	drawTableRow(a, cols, func(c tableColumn) (string, style) { return c.head, head })
}

// drawTableRow writes one row; what is not known looks so.
func drawTableRow(a area, cols []tableColumn, cell func(tableColumn) (string, style)) {
	x := 1
	for i, c := range cols {
		if i > 0 {
			x += columnGap
		}
		text, st := cell(c)
		if text == unknownText && st == normal {
			st = unknown
		}
		cell := a.sub(x, 0, c.width, 1) // nothing of a name runs over into the next
		if c.left {
			cell.text(0, 0, st, cut(text, c.width))
		} else {
			cell.right(c.width, 0, st, text)
		}
		x += c.width
	}
}
