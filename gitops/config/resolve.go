package config

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/manifest"
	"github.com/tidebot-dev/tidebot/vcs"
)

// resolve works out what the file says about deployments, and reports what is
// wrong with it. Checking and resolving are one, so that nothing can be
// checked that is not used, or used that was not checked.
func resolve(f *File, report reporter) gitops.Config {
	c := gitops.Config{
		Committer:    gitops.Signature{Name: f.Core.Committer.Name, Email: f.Core.Committer.Email},
		Environments: map[string]gitops.Environment{},
		Services:     map[string]gitops.Service{},
	}
	for _, name := range slices.Sorted(maps.Keys(f.Environments)) {
		c.Environments[name] = f.environment(name, report)
	}
	taken := map[slot][]holder{}
	for _, name := range slices.Sorted(maps.Keys(f.Services)) {
		c.Services[name] = f.service(name, taken, report)
	}
	return c
}

// defaultsKey is the key of [ServiceDefaults].
const defaultsKey = "serviceDefaults"

func (f *File) environment(name string, report reporter) gitops.Environment {
	e, where := f.Environments[name], at("environments", name)
	env := gitops.Environment{Name: name, Repository: e.Repository, Branch: e.Branch}
	if _, ok := f.Repositories[e.Repository]; !ok {
		report(where.under("repository"), "begins with no provider's name (%s) and is not in repositories; add it there, with its url", f.providerNames())
	}
	if provider, path := f.provider(e.Repository); provider != "" {
		env.WebURL = f.Providers[provider].URL + "/" + path
	}
	if short, ok := strings.CutPrefix(e.Branch, "refs/heads/"); ok {
		report(where.under("branch"), "write %s, without refs/heads/", short)
	} else if err := gitops.CheckBranch(e.Branch); err != nil {
		report(where.under("branch"), "%v", err)
	}
	providers := slices.Sorted(maps.Keys(f.Providers))
	for i, text := range e.Allow {
		rule, err := gitops.ParseRule(text, providers...)
		if err != nil {
			report(where.under("allow", strconv.Itoa(i)), "%v", err)
			continue
		}
		env.Allow = append(env.Allow, rule)
	}
	return env
}

func (f *File) service(name string, taken map[slot][]holder, report reporter) gitops.Service {
	s, where := f.Services[name], at("services", name)
	service := gitops.Service{Name: name, Targets: map[string][]gitops.Target{}}
	var err error
	if service.Tag, err = gitops.ParseTagRule(cmp.Or(s.Tag, f.ServiceDefaults.Tag)); err != nil {
		report(where.under("tag"), "%v", err)
	}
	provider, path := f.provider(s.Source)
	switch {
	case provider == "":
		report(where.under("source"), "begins with no provider's name (%s)", f.providerNames())
	case !strings.Contains(path, "/"):
		report(where.under("source"), "want provider/owner/name")
	case strings.HasSuffix(path, ".git"):
		report(where.under("source"), "write it without .git at the end")
	}
	service.Source = vcs.Repo{Provider: provider, Path: path}
	environments, inEnvs := s.Environments, where.under("environments")
	if len(environments) == 0 {
		environments, inEnvs = f.ServiceDefaults.Environments, at(defaultsKey, "environments")
	}
	if len(environments) == 0 {
		report(where, "environments is missing: name at least one environment that the service exists in, here or in serviceDefaults")
	}
	for _, env := range slices.Sorted(maps.Keys(environments)) {
		inEnv := inEnvs.under(env)
		e, ok := f.Environments[env]
		if !ok {
			inEnv.isKey = true
			report(inEnv, "there is no such environment; %s", suggest(env, slices.Sorted(maps.Keys(f.Environments))))
			continue
		}
		for _, d := range f.drafts(name, environments[env], inEnv, report) {
			t, ok := d.target(name, env, report)
			if !ok {
				continue
			}
			service.Targets[env] = append(service.Targets[env], t)
			claim(taken, e, t, d.where, report)
		}
	}
	return service
}

// A text is a string of the file and the place where it stands.
type text struct {
	value string
	place place
}

// A draft is a target before its placeholders are replaced.
type draft struct {
	path, object, field, pattern, pinned, fallback text
	// where is the part of the service that the draft as a whole comes from.
	where place
}

// overlay lays a template over the draft: what it says goes before.
func (d draft) overlay(t Template, where place) draft {
	for _, k := range []struct {
		to    *text
		key   string
		value string
	}{
		{&d.path, "path", t.Path}, {&d.object, "object", t.Object}, {&d.field, "field", t.Field},
		{&d.pattern, "pattern", t.Pattern}, {&d.pinned, "pinned", t.Pinned}, {&d.fallback, "default", t.Default},
	} {
		if k.value != "" {
			*k.to = text{k.value, where.under(k.key)}
		}
	}
	return d
}

// drafts returns a service's drafts in one environment: an entry of fields
// over the environment over the service over the defaults. The environment is
// the service's own, or that of the defaults.
func (f *File) drafts(name string, e ServiceEnvironment, inEnv place, report reporter) []draft {
	s, inService := f.Services[name], at("services", name)
	base := draft{where: inEnv}.
		overlay(f.ServiceDefaults.Template, at(defaultsKey)).
		overlay(s.Template, inService).
		overlay(e.Template, inEnv)
	inherited := len(s.Environments) == 0
	if inherited {
		base.where = inService
	}
	fields, where := s.Fields, inService.under("fields")
	if len(e.Fields) > 0 {
		fields, where = e.Fields, inEnv.under("fields")
	}
	if len(fields) == 0 {
		return []draft{base}
	}
	out := make([]draft, len(fields))
	for i, field := range fields {
		inField := where.under(strconv.Itoa(i))
		out[i] = base.overlay(field, inField)
		if len(e.Fields) == 0 || !inherited {
			out[i].where = inField
		}
		if len(e.Fields) == 0 {
			hidden(e.Template, field, inEnv, inField, inherited, report)
		}
	}
	return out
}

// hidden reports what an environment says in vain, because an entry of the
// service's fields says it too and goes before. It is reported where the
// service's author can mend it.
func hidden(env, field Template, inEnv, inField place, inherited bool, report reporter) {
	for _, k := range []struct{ key, env, field string }{
		{"path", env.Path, field.Path}, {"object", env.Object, field.Object}, {"field", env.Field, field.Field},
		{"pattern", env.Pattern, field.Pattern}, {"pinned", env.Pinned, field.Pinned}, {"default", env.Default, field.Default},
	} {
		switch {
		case k.env == "" || k.field == "":
		case inherited:
			report(inField.under(k.key), "hides %s; give the service environments of its own", keyPath(inEnv.under(k.key).path))
		default:
			report(inEnv.under(k.key), "%s says it too, and goes before; give this environment fields of its own", keyPath(inField.path))
		}
	}
}

// target replaces the placeholders and checks what comes out.
func (d draft) target(service, env string, report reporter) (gitops.Target, bool) {
	ok := true
	note := func(p place, format string, args ...any) {
		ok = false
		report(p, format, args...)
	}
	var missing []string
	for _, k := range []struct {
		name string
		text text
	}{{"path", d.path}, {"object", d.object}, {"field", d.field}, {"pattern", d.pattern}} {
		if k.text.value == "" {
			missing = append(missing, k.name)
		}
	}
	if len(missing) > 0 {
		note(d.where, "%s missing in environment %s; say it here, for the whole service, or for all in serviceDefaults", strings.Join(missing, ", "), env)
		return gitops.Target{}, false
	}
	fill := func(t text, also ...string) string {
		checkPlaceholders(t, also, note)
		return strings.NewReplacer(
			"{environment}", quoteName(t.value, env),
			"{service}", quoteName(t.value, service),
		).Replace(t.value)
	}
	t := gitops.Target{
		Service: service, Environment: env,
		File:    fill(d.path),
		Pattern: fill(d.pattern, "{branch}"),
		Pinned:  fill(d.pinned, "{branch}", "{sha}"),
	}
	for _, p := range []string{"{branch}", "{sha}"} {
		if strings.Contains(d.fallback.value, p) {
			note(d.fallback.place, "holds %s, but /default returns to one value, whatever was deployed", p)
		}
	}
	t.Default = fill(d.fallback)
	if bad := badPath(t.File); bad != "" {
		note(d.path.place, "%s", bad)
	}
	var err error
	if t.Object, err = manifest.ParseObject(fill(d.object)); err != nil {
		note(d.object.place, "%v", err)
	}
	if t.Field, err = manifest.ParseField(fill(d.field)); err != nil {
		note(d.field.place, "%v", err)
	}
	if !strings.Contains(t.Pattern, "{branch}") {
		note(d.pattern.place, "holds no {branch}, so it would be the same whatever is deployed")
	}
	if t.Pinned != "" && !strings.Contains(t.Pinned, "{sha}") {
		note(d.pinned.place, "holds no {sha}, so it would be the same whatever is deployed")
	}
	checkPattern(t.Pattern, d.pattern.place, note)
	checkPattern(t.Pinned, d.pinned.place, note)
	checkPattern(t.Default, d.fallback.place, note)
	return t, ok
}

// placeholder is a word in braces. Numbers in braces are a regular
// expression's, and so are words after \p.
var placeholder = regexp.MustCompile(`(\\[pPx])?\{[^{}]*\pL[^{}]*\}`)

// checkPlaceholders reports those that are unknown, or have no meaning here.
func checkPlaceholders(t text, also []string, report reporter) {
	known := append([]string{"{environment}", "{service}"}, also...)
	for _, p := range placeholder.FindAllString(t.value, -1) {
		if !strings.HasPrefix(p, `\`) && !slices.Contains(known, p) {
			report(t.place, "%s is not known here; known: %s", p, strings.Join(known, ", "))
			return
		}
	}
}

// quoteName makes a name mean itself in the value it is put into. The only
// character of a name that means something to any reader is the dot, in a
// regular expression.
func quoteName(value, name string) string {
	if strings.HasPrefix(value, "regexp:") || strings.HasPrefix(value, "regex:") {
		return regexp.QuoteMeta(name)
	}
	return name
}

// checkPattern reports a value that the engine that reads it could not read:
// Flux v1 takes a constraint or a regular expression that is broken for one
// that every tag matches.
func checkPattern(value string, where place, report reporter) {
	if value == "" {
		return
	}
	if err := gitops.CheckPattern(value); err != nil {
		report(where, "%v", err)
		return
	}
	if constraint, ok := strings.CutPrefix(value, "semver:"); ok {
		if _, err := semver.NewConstraint(constraint); err != nil {
			report(where, "%v; write it like semver:~1.2", err)
		}
	}
}

// A slot is where a field may stand, but for the object's namespace.
type slot struct {
	repository, branch, file, kind, name string
	field                                manifest.Field
}

// A holder is a target that stands in a slot.
type holder struct {
	target gitops.Target
	where  place
}

// claim reports a target whose field is another target's too: one deployment
// would undo the other. An object without a namespace may be any.
func claim(taken map[slot][]holder, e Environment, t gitops.Target, where place, report reporter) {
	s := slot{strings.ToLower(e.Repository), e.Branch, t.File, t.Object.Kind, t.Object.Name, t.Field}
	for _, h := range taken[s] {
		if a, b := h.target.Object.Namespace, t.Object.Namespace; a == b || a == "" || b == "" {
			report(where, "in environment %s this is the same field as %s in environment %s: %s in %s; each needs its own",
				t.Environment, keyPath(h.where.path), h.target.Environment, t.Location(), t.File)
			return
		}
	}
	taken[s] = append(taken[s], holder{t, where})
}
