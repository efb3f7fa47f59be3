package gitops

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The trailers of a deployment's commit, in the form of git-interpret-trailers:
// lines of the message's last paragraph.
const (
	trailerEnvironment = "Deploy-Environment"
	trailerChange      = "Deploy-Change"
	trailerCommand     = "Deploy-Command"
	trailerBy          = "Requested-By"
	trailerAt          = "Requested-At"
	trailerPullRequest = "Pull-Request"
	trailerSource      = "Source-Revision"
	trailerAllowedBy   = "Allowed-By"
)

// A deployment is what the trailers of a commit say.
type deployment struct {
	environment string
	changes     []valueChange
	command     string
	by          string
	at          time.Time
	pullRequest string
	sources     []string
	allowedBy   string
}

// A valueChange is one Deploy-Change trailer.
type valueChange struct {
	service, old, new string
}

// message is a commit message that says subject and body to people and the
// rest to [parseDeployment].
func (dep deployment) message(subject, body string) string {
	var b strings.Builder
	b.WriteString(oneLine(subject, 200) + "\n\n")
	if body != "" {
		b.WriteString(oneLine(body, 500) + "\n\n")
	}
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", key, oneLine(value, 1000))
		}
	}
	line(trailerEnvironment, dep.environment)
	for _, c := range dep.changes {
		line(trailerChange, fmt.Sprintf("%s %s -> %s", c.service, word(c.old), word(c.new)))
	}
	line(trailerCommand, dep.command)
	line(trailerBy, dep.by)
	line(trailerAt, dep.at.UTC().Format(time.RFC3339))
	line(trailerPullRequest, dep.pullRequest)
	for _, s := range dep.sources {
		line(trailerSource, s)
	}
	line(trailerAllowedBy, dep.allowedBy)
	return b.String()
}

// terminal begins the ID of a command that a person gave at a terminal.
const terminal = "cli/"

// parseDeployment reads the trailers of a commit. They count only if the bot
// committed it, or a person at a terminal their own command: messages are also
// copied, by cherry-picks and reverts, and then say nothing.
func parseDeployment(info CommitInfo, committer Signature) (deployment, bool) {
	dep, ok := parseTrailers(info.Message)
	own := info.Committer.Email == committer.Email ||
		strings.HasPrefix(dep.command, terminal) && info.Committer == info.Author
	return dep, ok && own
}

func parseTrailers(message string) (deployment, bool) {
	paragraphs := strings.Split(strings.TrimSpace(message), "\n\n")
	if len(paragraphs) < 2 {
		return deployment{}, false
	}
	var dep deployment
	for line := range strings.SplitSeq(paragraphs[len(paragraphs)-1], "\n") {
		key, value, ok := strings.Cut(line, ": ")
		if !ok {
			return deployment{}, false
		}
		switch key {
		case trailerEnvironment:
			dep.environment = value
		case trailerChange:
			if c, ok := parseChange(value); ok {
				dep.changes = append(dep.changes, c)
			}
		case trailerCommand:
			dep.command = value
		case trailerBy:
			dep.by = value
		case trailerAt:
			dep.at, _ = time.Parse(time.RFC3339, value)
		case trailerPullRequest:
			dep.pullRequest = value
		case trailerSource:
			dep.sources = append(dep.sources, value)
		case trailerAllowedBy:
			dep.allowedBy = value
		}
	}
	return dep, dep.command != "" && dep.environment != ""
}

// after tells that the deployment's command was made after the one with this
// time and ID. Providers' times have whole seconds; within one, comments are
// ordered by their IDs, and commands of a comment by their numbers.
func (dep deployment) after(at time.Time, command string) bool {
	if !dep.at.Equal(at.Truncate(time.Second)) {
		return dep.at.After(at)
	}
	place, comment, n := cutCommand(dep.command)
	otherPlace, otherComment, otherN := cutCommand(command)
	return place == otherPlace && (comment > otherComment || comment == otherComment && n > otherN)
}

// cutCommand cuts a command ID into the pull request, the comment's ID and the
// number of the command in it; all but place are 0 for one without a comment.
func cutCommand(id string) (place string, comment, n int64) {
	place, rest, ok := strings.Cut(id, "/comment/")
	if !ok {
		return id, 0, 0
	}
	first, second, _ := strings.Cut(rest, "/")
	comment, _ = strconv.ParseInt(first, 10, 64)
	n, _ = strconv.ParseInt(second, 10, 64)
	return place, comment, n
}

// touches tells that the deployment changed one of the services in the
// environment.
func (dep deployment) touches(environment string, services ...string) bool {
	if !strings.EqualFold(dep.environment, environment) {
		return false
	}
	return slices.ContainsFunc(dep.changes, func(c valueChange) bool {
		return slices.ContainsFunc(services, func(s string) bool { return strings.EqualFold(s, c.service) })
	})
}

// wrote tells that the deployment gave the service this value.
func (dep deployment) wrote(service, value string) bool {
	return slices.ContainsFunc(dep.changes, func(c valueChange) bool {
		return strings.EqualFold(c.service, service) && c.new == value
	})
}

// word writes a value so that it is one word of a Deploy-Change trailer.
func word(s string) string {
	if s == "" || s == "->" || s[0] == '"' || strings.Contains(s, " ") || oneLine(s, len(s)) != s {
		return strconv.QuoteToASCII(s)
	}
	return s
}

func parseChange(s string) (valueChange, bool) {
	service, rest, ok := strings.Cut(s, " ")
	if !ok {
		return valueChange{}, false
	}
	before, rest, ok := cutWord(rest)
	if !ok {
		return valueChange{}, false
	}
	rest, ok = strings.CutPrefix(rest, " -> ")
	if !ok {
		return valueChange{}, false
	}
	after, rest, ok := cutWord(rest)
	return valueChange{service: service, old: before, new: after}, ok && rest == ""
}

// cutWord undoes [word] at the beginning of s.
func cutWord(s string) (value, rest string, ok bool) {
	if quoted, err := strconv.QuotedPrefix(s); err == nil {
		value, err = strconv.Unquote(quoted)
		return value, s[len(quoted):], err == nil
	}
	i := strings.IndexByte(s, ' ')
	if i < 0 {
		i = len(s)
	}
	return s[:i], s[i:], i > 0
}
