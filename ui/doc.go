// Package ui is the dashboard: one Bubble Tea model whose screens are pure
// functions of a frame (what is known), a view (what the user chose), a size
// and a theme.
//
// Everything is drawn on a canvas of cells, so nothing can be wider or taller
// than the terminal, and only cells that changed are sent to it. The package
// has no clock: the time, the ages and the spans on screen come from the
// snapshot.
package ui
