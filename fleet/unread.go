package fleet

// Unread says what the agent of the host could not read in the newest sample,
// and why, each with the name of the collector: "threads: run as root …".
func (h *Host) Unread() []string {
	names := h.Machine.GetCollectors()
	var list []string
	for _, e := range h.Newest.GetErrors() {
		name := "?"
		if i := int(e.GetCollector()); i < len(names) {
			name = names[i]
		}
		list = append(list, name+": "+e.GetText())
	}
	return list
}
