package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/term"

	_ "capmon/ui/background" // before Bubble Tea asks the terminal
)

// answerWithin is how long the terminal's background may decide the theme.
const answerWithin = 100 * time.Millisecond

// Run draws until the user leaves, ctx ends or the terminal is gone; all three
// return nil with the terminal as it was. It never draws on a tick: only on a
// frame, a key or a resize.
func Run(ctx context.Context, o Options) error {
	bits := o.Colours
	if bits < 0 {
		bits, _, _ = Detect(os.Getenv, true)
	}
	th, err := NewTheme(o.Theme, bits, o.ASCII)
	if err != nil {
		return err
	}
	ctx, leave := context.WithCancel(ctx)
	defer leave()

	screen, out := newScreen(o.Output)
	keys, in := newKeyboard(o.Input, leave)
	m := newModel(o, bits, th, screen)
	options := []tea.ProgramOption{
		tea.WithInput(in), tea.WithOutput(out), tea.WithAltScreen(),
		tea.WithFPS(1), tea.WithoutSignalHandler(), tea.WithFilter(ownSize),
	}
	if o.Mouse {
		// Motion is told only while a button is down: a mouse that is moved about
		// costs nothing.
		options = append(options, tea.WithMouseCellMotion())
	}
	m.view.MouseOff = !o.Mouse
	p := tea.NewProgram(m, options...)
	screen.later = func() { p.Send(lateMsg{}) }
	// From its own goroutine, which also takes what is sent: it must not wait.
	screen.clock = o.Clock
	screen.slow = func(is bool) { go p.Send(slowMsg(is)) }
	keys.answer = func(light bool) {
		if light {
			go p.Send(themeMsg("light"))
		}
	}
	if askable(o, bits, in, out) {
		m.start = func() tea.Msg {
			time.AfterFunc(answerWithin, func() { keys.closed.Store(true) })
			screen.ask(askBackground)
			return nil
		}
	} else {
		keys.closed.Store(true)
	}
	// Asked to quit it waits for its reader and draws what is left; its own
	// context would drop both.
	defer context.AfterFunc(ctx, p.Quit)()
	done := make(chan struct{})
	go func() {
		defer close(done)
		feed(ctx, p, o.Snapshots, o.News)
	}()
	_, err = p.Run()
	leave()
	<-done
	if keys.left.Load() && !errors.Is(err, tea.ErrProgramPanic) || err == nil {
		return nil
	}
	return fmt.Errorf("draw the dashboard: %w", err)
}

// feed sends frames to the program, of several waiting only the newest, and news
// of the alerts.
func feed(ctx context.Context, p *tea.Program, frames <-chan Frame, news <-chan News) {
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-news:
			p.Send(newsMsg(n))
		case f, ok := <-frames:
			for more := true; ok && more; {
				select {
				case f, ok = <-frames:
				default:
					more = false
				}
			}
			if !ok {
				return
			}
			p.Send(frameMsg(f))
		}
	}
}

// ownSize keeps sizes from Bubble Tea's renderer, which would measure and cut
// lines that fit already.
func ownSize(_ tea.Model, msg tea.Msg) tea.Msg {
	if size, ok := msg.(tea.WindowSizeMsg); ok {
		return sizeMsg{size.Width, size.Height}
	}
	return msg
}

func newScreen(out io.Writer) (*painter, io.Writer) {
	if out == nil {
		out = os.Stdout
	}
	p := &painter{out: out}
	if f, ok := out.(term.File); ok {
		return p, paintedFile{p, f}
	}
	return p, p
}

func newKeyboard(in io.Reader, gone func()) (*keyboard, io.Reader) {
	if in == nil {
		in = os.Stdin
	}
	k := &keyboard{in: in, gone: gone}
	if f, ok := in.(*os.File); ok {
		return k, typedFile{k, f, f.Name()}
	}
	return k, k
}

// askable says whether the terminal may be asked for its background: nobody
// chose a theme, and no multiplexer stands between, whose answer is a guess.
func askable(o Options, bits int, in io.Reader, out io.Writer) bool {
	if o.Theme != "" || bits < 4 {
		return false
	}
	for _, end := range []any{in, out} {
		if f, ok := end.(term.File); !ok || !term.IsTerminal(f.Fd()) {
			return false
		}
	}
	name := os.Getenv("TERM")
	for _, p := range []string{"screen", "tmux", "linux", "dumb"} {
		if strings.HasPrefix(name, p) {
			return false
		}
	}
	return os.Getenv("TMUX") == "" && name != ""
}
