// Command demo shows Tidebot at work on this machine, with nothing faked but
// the people: a config repository behind a real Git server, a provider that
// speaks GitHub's REST, the built program with its webhook process, and a
// signed webhook with /deploy qa1 in it.
//
// It exits with an error if anything is not as the README promises.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/tidebot-dev/tidebot/gitops/gitopstest"
	"github.com/tidebot-dev/tidebot/gitops/gitopstest/stage"
)

func main() {
	bin := flag.String("bin", "bin", "directory of the built programs")
	files := flag.String("files", "examples/tidepool", "sample config repository")
	broken := flag.String("break", "", "what to break, to see that it is noticed: read-only or secret")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := demo(ctx, *bin, *files, *broken); err != nil {
		fmt.Fprintf(os.Stderr, "\ndemo: %v\n", err)
		os.Exit(1)
	}
}

const (
	removed = "-    fluxcd.io/tag.shoreline: glob:master-*"
	added   = "+    fluxcd.io/tag.shoreline: glob:db-jwt-*"
)

func demo(ctx context.Context, bin, files, broken string) (err error) {
	dir, err := os.MkdirTemp("", "tidebot-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	sample, err := readFiles(files)
	if err != nil {
		return err
	}
	s, err := stage.New(dir, sample)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	secret := stage.WebhookSecret
	switch broken {
	case "read-only":
		err = s.Repository.Hook("pre-receive", "echo 'this repository is read-only'; exit 1")
	case "secret":
		secret = "another secret"
	case "":
	default:
		err = fmt.Errorf("-break %q: want read-only or secret", broken)
	}
	if err != nil {
		return err
	}

	fmt.Println("Starting a Git server, a provider and tidebot serve, all on 127.0.0.1 ...")
	program, err := s.Serve(ctx, bin, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, program.Stop()) }()

	began := time.Now()
	_, status, err := s.Say(ctx, stage.Person, "/deploy qa1 shoreline", secret)
	if err != nil {
		return fmt.Errorf("deliver the webhook: %w", err)
	}
	if status != http.StatusAccepted {
		return fmt.Errorf("the webhook was answered %d, not 202", status)
	}
	answers, err := s.AwaitAnswers(ctx, 1)
	if err != nil {
		return fmt.Errorf("%w; the program's log:\n%s", err, program.Log())
	}
	took := time.Since(began)

	fmt.Printf("\nThe pull request %s#%d (branch %s):\n\n", stage.Source, stage.PullRequest, stage.Branch)
	say(stage.Person, "/deploy qa1 shoreline")
	say(stage.Bot, readable(answers[0]))
	if !strings.Contains(answers[0], "now follows") {
		return fmt.Errorf("nothing was deployed; the answer is: %s", readable(answers[0]))
	}
	commit, err := s.Repository.Git("show", "--unified=1", gitopstest.Branch)
	if err != nil {
		return err
	}
	fmt.Printf("The commit in the config repository (git show):\n\n%s\n\n", indent(commit))
	changed, err := changedLines(s)
	if err != nil {
		return err
	}
	fmt.Printf("From the webhook to the answer it took %d ms. All that changed in the repository:\n\n%s\n\n",
		took.Milliseconds(), changed)
	if err := check(s, changed, answers); err != nil {
		return err
	}
	fmt.Print("Where to go next: docs/guide.md sets it up for your own repositories,\nexamples/embed puts it into another program.\n")
	return nil
}

// changedLines are the lines that the newest commit removes and adds.
func changedLines(s *stage.Stage) (string, error) {
	diff, err := s.Repository.Git("show", "--format=", "--unified=0", gitopstest.Branch)
	if err != nil {
		return "", err
	}
	var changed []string
	for line := range strings.SplitSeq(diff, "\n") {
		isHeader := strings.HasPrefix(line, "---") || strings.HasPrefix(line, "+++")
		if !isHeader && (strings.HasPrefix(line, "-") || strings.HasPrefix(line, "+")) {
			changed = append(changed, line)
		}
	}
	return strings.Join(changed, "\n"), nil
}

// check holds what was done against what is promised.
func check(s *stage.Stage, changed string, answers []string) error {
	if changed != removed+"\n"+added {
		return errors.New("the commit changes more or less than the one line")
	}
	author, err := s.Repository.Git("log", "-1", "--format=%an", gitopstest.Branch)
	if err != nil {
		return err
	}
	if author != stage.Person {
		return fmt.Errorf("the commit's author is %s, not %s", author, stage.Person)
	}
	trailer, err := s.Repository.Git("log", "-1", "--format=%(trailers:key=Deploy-Change,valueonly)", gitopstest.Branch)
	if err != nil {
		return err
	}
	if strings.TrimSpace(trailer) != "shoreline glob:master-* -> glob:db-jwt-*" {
		return fmt.Errorf("the commit has the trailer Deploy-Change: %s", trailer)
	}
	if n := len(answers); n != 1 {
		return fmt.Errorf("there are %d answers, not one", n)
	}
	if v := s.Forge.Violations(); len(v) > 0 {
		return fmt.Errorf("the provider was called in ways its documentation does not have: %s", strings.Join(v, "; "))
	}
	return s.Repository.Check()
}

func say(who, text string) {
	fmt.Printf("  %s\n%s\n\n", who, indent(text))
}

func indent(text string) string {
	return "    | " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    | ")
}

// readable leaves out of an answer what a browser would not show.
func readable(markdown string) string {
	text, _, _ := strings.Cut(markdown, "<details>")
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "<!--") {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	return strings.Join(lines, "\n")
}

// readFiles reads the sample config repository.
func readFiles(dir string) (map[string]string, error) {
	files := make(map[string]string)
	root := os.DirFS(dir)
	err := fs.WalkDir(root, "environments", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, path)
		files[path] = string(data)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the sample config repository: %w", err)
	}
	return files, nil
}
