package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/manifest/yamledit"
	"github.com/tidebot-dev/tidebot/vcs"
)

// checkTimeout bounds the check of one environment or provider.
const checkTimeout = time.Minute

// check tries the configuration against the real repositories: each service in
// each environment must come down to fields that are there, once. It prints
// them all, and is an error if one is not.
func check(ctx context.Context, configPath string, w io.Writer) error {
	f, err := load(configPath)
	if err != nil {
		return err
	}
	o, err := options(f, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	for name, front := range f.Frontends {
		if _, err := secrets(front); err != nil {
			return fmt.Errorf("front-end %s: %w", name, err)
		}
	}
	wrong := checkProviders(ctx, o, w)
	wrong += checkTargets(ctx, o, w)
	wrong += checkPublic(ctx, o, w)
	if wrong > 0 {
		return fmt.Errorf("%d problems, see above", wrong)
	}
	fmt.Fprintln(w, "Everything resolves.")
	return nil
}

// checkProviders says as whom the bot acts.
func checkProviders(ctx context.Context, o gitops.Options, w io.Writer) (wrong int) {
	for _, name := range slices.Sorted(maps.Keys(o.Providers)) {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		self, err := o.Providers[name].Self(ctx)
		cancel()
		if err != nil {
			wrong++
			fmt.Fprintf(w, "%s: %v\n", name, err)
			continue
		}
		fmt.Fprintf(w, "%s: acting as %s\n", name, self.Login)
	}
	return wrong
}

// checkTargets prints the matrix of environments and services.
func checkTargets(ctx context.Context, o gitops.Options, w io.Writer) (wrong int) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nENVIRONMENT\tSERVICE\tFIELD\tWHERE\tVALUE")
	for _, name := range slices.Sorted(maps.Keys(o.Config.Environments)) {
		env := o.Config.Environments[name]
		targets := targetsOf(o.Config, name)
		rows := make([]string, len(targets))
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		err := o.Transports[env.Repository].View(ctx, env.Branch, func(tree gitops.Tree) error {
			for i, t := range targets {
				rows[i] = ""
				src, err := tree.ReadFile(ctx, t.File)
				if err != nil {
					rows[i] = fmt.Sprintf("%s\tWRONG: %v", t.File, err)
					continue
				}
				values, err := yamledit.Editor{}.Get(src, t.Location())
				if err != nil {
					rows[i] = fmt.Sprintf("%s\tWRONG: %v", t.File, err)
					continue
				}
				rows[i] = fmt.Sprintf("%s:%d\t%s", t.File, values[0].Line, values[0].Value)
			}
			return nil
		})
		cancel()
		for i, t := range targets {
			if err != nil {
				rows[i] = fmt.Sprintf("%s of %s\tWRONG: %v", env.Branch, env.Repository, err)
			}
			if strings.Contains(rows[i], "\tWRONG: ") {
				wrong++
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", name, t.Service, t.Field.Name, rows[i])
		}
	}
	if err := table.Flush(); err != nil {
		wrong++
	}
	fmt.Fprintln(w)
	return wrong
}

func targetsOf(c gitops.Config, environment string) []gitops.Target {
	var targets []gitops.Target
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		targets = append(targets, c.Services[name].Targets[environment]...)
	}
	return targets
}

// checkPublic finds rules that would allow everybody: read permission on a
// repository that is public.
func checkPublic(ctx context.Context, o gitops.Options, w io.Writer) (wrong int) {
	for _, name := range slices.Sorted(maps.Keys(o.Config.Services)) {
		s := o.Config.Services[name]
		asker, ok := o.Providers[s.Source.Provider].(vcs.Visibility)
		if !ok {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		public, err := asker.Public(ctx, s.Source)
		cancel()
		if err != nil {
			wrong++
			fmt.Fprintf(w, "service %s: source %s: %v\n", name, s.Source, err)
			continue
		}
		for _, env := range slices.Sorted(maps.Keys(s.Targets)) {
			reads := slices.ContainsFunc(o.Config.Environments[env].Allow, func(r gitops.Rule) bool { return r.Permission == vcs.Read })
			if public && reads {
				wrong++
				fmt.Fprintf(w, "environment %s: source:read would allow everybody to deploy %s, whose source %s is public; say source:write\n", env, name, s.Source)
			}
		}
	}
	return wrong
}
