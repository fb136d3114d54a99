package ui

import "strings"

// glyphs are big digits, five lines of three cells; the dot has two.
var glyphs = map[rune][5]string{
	'0': {"###", "# #", "# #", "# #", "###"},
	'1': {"## ", " # ", " # ", " # ", "###"},
	'2': {"###", "  #", "###", "#  ", "###"},
	'3': {"###", "  #", "###", "  #", "###"},
	'4': {"# #", "# #", "###", "  #", "  #"},
	'5': {"###", "#  ", "###", "  #", "###"},
	'6': {"###", "#  ", "###", "# #", "###"},
	'7': {"###", "  #", "  #", "  #", "  #"},
	'8': {"###", "# #", "###", "# #", "###"},
	'9': {"###", "# #", "###", "  #", "###"},
	'.': {"  ", "  ", "  ", "  ", "##"},
	'%': {"# #", "  #", " # ", "#  ", "# #"},
	'×': {"   ", "# #", " # ", "# #", "   "},
	'?': {"###", "  #", " ##", "   ", " # "},
	' ': {"   ", "   ", "   ", "   ", "   "},
}

const glyphLines = 5

// bigWidth is how many cells text takes in big digits.
func bigWidth(text string, scale int) (n int) {
	for _, r := range text {
		n += scale * (len(glyphs[r][0]) + 1)
	}
	return max(n-scale, 0)
}

// big draws text in big digits, a cell of a glyph being scale cells wide and as
// many lines high.
func (a area) big(x, y, scale int, st style, text string) {
	for _, r := range text {
		g := glyphs[r]
		for i, line := range g {
			for j := range line {
				if line[j] != '#' {
					continue
				}
				for k := range scale {
					a.fill(x+j*scale, y+i*scale+k, scale, '█', st)
				}
			}
		}
		x += scale * (len(g[0]) + 1)
	}
}

// drawable says whether every character of text has a glyph.
func drawable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { _, ok := glyphs[r]; return !ok })
}
