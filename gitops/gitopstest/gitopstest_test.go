package gitopstest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/tidebot-dev/tidebot/gitops"
	"github.com/tidebot-dev/tidebot/gitops/gitopstest"
)

func TestMemory(t *testing.T) {
	gitopstest.TestTransport(t, func(_ *testing.T, files map[string]string) gitopstest.Subject {
		return gitopstest.NewMemory(files).Subject()
	})
}

func TestMemoryFailures(t *testing.T) {
	for _, c := range []struct {
		name    string
		failure gitopstest.Failure
		want    error
		commits int
	}{
		{"a rejected push changes nothing", gitopstest.Failure{Err: gitops.ErrRejected}, gitops.ErrRejected, 1},
		{"an unavailable server changes nothing", gitopstest.Failure{Err: gitops.ErrUnavailable}, gitops.ErrUnavailable, 1},
		{"a lost answer may mean that nothing was changed", gitopstest.Failure{Err: gitops.ErrUnknown}, gitops.ErrUnknown, 1},
		{"a lost answer may mean that the commit is there", gitopstest.Failure{Err: gitops.ErrUnknown, Applied: true}, gitops.ErrUnknown, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := gitopstest.NewMemory(map[string]string{"a": "1"})
			m.Inject(c.failure)
			change := func(gitops.Tree) (gitops.Commit, error) {
				return gitopstest.Change("x", map[string]string{"a": "2"}), nil
			}
			if _, err := m.Update(t.Context(), gitopstest.Branch, change); !errors.Is(err, c.want) {
				t.Errorf("Update returned %v, want %v", err, c.want)
			}
			if log, _ := m.Log(); len(log) != c.commits {
				t.Errorf("%d commits, want %d", len(log), c.commits)
			}
		})
	}
}

func TestMemoryRace(t *testing.T) {
	m := gitopstest.NewMemory(map[string]string{"a": "1"})
	m.Inject(gitopstest.Failure{Race: func() {
		if _, err := m.Commit("faster", map[string]string{"a": "faster"}); err != nil {
			t.Error(err)
		}
	}})
	var seen []string
	_, err := m.Update(t.Context(), gitopstest.Branch, func(tree gitops.Tree) (gitops.Commit, error) {
		data, err := tree.ReadFile(t.Context(), "a")
		seen = append(seen, string(data))
		return gitopstest.Change("x", map[string]string{"a": "2"}), err
	})
	if err != nil || fmt.Sprint(seen) != "[1 faster]" {
		t.Errorf("fn saw %v (%v), want the files before and after the race", seen, err)
	}
}

func ExampleMemory() {
	m := gitopstest.NewMemory(map[string]string{"web.yaml": "image: web:1\n"})
	_, err := m.Update(context.Background(), gitopstest.Branch, func(gitops.Tree) (gitops.Commit, error) {
		return gitopstest.Change("Deploy web 2", map[string]string{"web.yaml": "image: web:2\n"}), nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	log, _ := m.Log()
	file, _ := m.ReadFile(log[0], "web.yaml")
	fmt.Print(len(log), " commits, ", file)
	// Output: 2 commits, image: web:2
}
