package supervisor

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/sluice-lb/sluice/pkg/ctl"
)

// defaultLogLines is how many lines "show logs" prints when not told.
const defaultLogLines = 100

// Commands returns the supervisor's rows of the control command table.
func (s *Supervisor) Commands() []ctl.Command {
	table := []ctl.Command{
		{Name: "show units", Help: "list all units with their state", Run: s.showUnits},
		{Name: "show unit", Args: "<unit>", Help: "everything about one unit", Run: s.showUnit},
		{Name: "show logs", Args: "<unit> [<lines>]", Help: "the last lines of a unit's log", Run: s.showLogs},
		{Name: "follow logs", Args: "<unit>", Help: "a unit's log as it grows, until the client closes", Run: s.followLogs},
	}
	for _, c := range []struct {
		name, help string
		run        func(context.Context, string) error
	}{
		{"start unit", "start a unit and what it requires", s.Start},
		{"stop unit", "stop a unit and those that require it", s.Stop},
		{"restart unit", "stop a unit and start it again", s.Restart},
		{"reload unit", "let a unit read its configuration again", s.Reload},
	} {
		table = append(table, ctl.Command{
			Name: c.name, Args: "<unit>", Help: c.help, Level: ctl.LevelAdmin,
			Run: func(ctx context.Context, req *ctl.Request, w io.Writer) error {
				return s.act(ctx, req, w, c.run)
			},
		})
	}
	return table
}

// act runs an operation on the unit that req names and prints its new state.
func (s *Supervisor) act(ctx context.Context, req *ctl.Request, w io.Writer, run func(context.Context, string) error) error {
	name, err := unitArg(req, 1)
	if err != nil {
		return err
	}
	if err := run(ctx, name); err != nil {
		return err
	}
	st, err := s.Status(ctx, name)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: %s (%s)\n", st.Unit, st.State, st.Sub)
	return nil
}

// unitArg returns the first argument as a unit name; ".service" may be left out.
func unitArg(req *ctl.Request, maxArgs int) (string, error) {
	if len(req.Args) < 1 || len(req.Args) > maxArgs {
		return "", ctl.ErrUsage
	}
	name := req.Args[0]
	if suffix := unitSuffix(name); suffix != ".service" && suffix != ".target" {
		name += ".service"
	}
	return name, nil
}

func (s *Supervisor) showUnits(ctx context.Context, req *ctl.Request, w io.Writer) error {
	if len(req.Args) > 0 {
		return ctl.ErrUsage
	}
	all, err := s.Statuses(ctx)
	if err != nil {
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "UNIT\tSTATE\tSUB\tPID\tRESTARTS\tSINCE\tDESCRIPTION")
	for _, st := range all {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", st.Unit, st.State, st.Sub,
			pidText(st.MainPID), st.Restarts, since(st.Since), st.Description)
	}
	return tw.Flush()
}

func pidText(pid int) string {
	if pid == 0 {
		return "-"
	}
	return strconv.Itoa(pid)
}

func since(t time.Time) string { return time.Since(t).Round(time.Second).String() }

func (s *Supervisor) showUnit(ctx context.Context, req *ctl.Request, w io.Writer) error {
	name, err := unitArg(req, 1)
	if err != nil {
		return err
	}
	st, err := s.Status(ctx, name)
	if err != nil {
		return err
	}
	u := s.set.Unit(name)
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	for _, row := range [][2]string{
		{"Unit:", st.Unit}, {"Description:", st.Description}, {"File:", u.File},
		{"State:", fmt.Sprintf("%s (%s) since %s", st.State, st.Sub, since(st.Since))},
		{"Result:", st.Result}, {"Detail:", st.Detail}, {"Status:", st.Text},
		{"Main PID:", pidText(st.MainPID)}, {"Restarts:", strconv.Itoa(st.Restarts)},
		{"Stored descriptors:", fmt.Sprintf("%d of %d", st.StoredFDs, u.Service.FDStoreMax)},
	} {
		if row[1] != "" {
			fmt.Fprintf(tw, "%s\t%s\n", row[0], row[1])
		}
	}
	return tw.Flush()
}

func (s *Supervisor) showLogs(_ context.Context, req *ctl.Request, w io.Writer) error {
	name, err := unitArg(req, 2)
	if err != nil {
		return err
	}
	n := defaultLogLines
	if len(req.Args) == 2 {
		if n, err = strconv.Atoi(req.Args[1]); err != nil || n < 0 {
			return fmt.Errorf("%q: a number of lines is needed", req.Args[1])
		}
	}
	ring := s.rings[name]
	if ring == nil {
		return fmt.Errorf("unit %q is not known%s", name, suggestion(name, s.set.names))
	}
	return writeLines(w, ring.Tail(n))
}

func writeLines(w io.Writer, lines []Line) error {
	for _, l := range lines {
		if _, err := fmt.Fprintln(w, l); err != nil {
			return err
		}
	}
	return nil
}

// followDepth is how many past lines "follow logs" starts with.
const followDepth = 10

func (s *Supervisor) followLogs(ctx context.Context, req *ctl.Request, w io.Writer) error {
	name, err := unitArg(req, 1)
	if err != nil {
		return err
	}
	ring := s.rings[name]
	if ring == nil {
		return fmt.Errorf("unit %q is not known%s", name, suggestion(name, s.set.names))
	}
	past, lines, stop := ring.Follow(followDepth)
	defer stop()
	if err := writeLines(w, past); err != nil {
		return nil // the client went away
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case l := <-lines:
			if _, err := fmt.Fprintln(w, l); err != nil {
				return nil
			}
		}
	}
}
