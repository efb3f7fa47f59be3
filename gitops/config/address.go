package config

import (
	"net"
	"net/url"
	"regexp"
	"strings"
)

// checkWebURL reports a provider's address that is not that of its web pages.
func checkWebURL(raw string, where place, report reporter) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		report(where, "is not a URL")
	case u.User != nil:
		report(where, "holds credentials; take them out and name them with tokenFrom")
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		report(where, "want https:// and the server's name")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		report(where, "http:// would show the token to the network; write https://")
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		report(where, "want the address alone, without a path")
	}
}

// scp is the form user@server:path.
var scp = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9_.-]*)@([A-Za-z0-9][A-Za-z0-9.-]*):([^-:/\\ ][^\\ ]*|/[^\\ ]*)$`)

// checkRepositoryURL returns the scheme of a repository's address, and
// nothing if it reported that there is something wrong with it.
func checkRepositoryURL(raw string, where place, report reporter) string {
	if !strings.Contains(raw, "://") {
		if scp.MatchString(raw) {
			return "ssh"
		}
		report(where, "want https://, ssh://, file:// or user@server:path")
		return ""
	}
	u, err := url.Parse(raw)
	if err != nil {
		report(where, "is not a URL")
		return ""
	}
	_, hasPassword := u.User.Password()
	switch {
	case hasPassword || u.User != nil && u.Scheme != "ssh":
		report(where, "holds credentials; take them out and name them with pushTokenFrom or sshKeyFrom")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		report(where, "want no '?' and '#'")
	case strings.HasPrefix(u.Hostname(), "-") || u.User != nil && strings.HasPrefix(u.User.Username(), "-"):
		report(where, "nothing in it may begin with '-'")
	case u.Scheme == "file":
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") || u.Path == "/" {
			report(where, "want file:// and an absolute path: file:///srv/git/cluster.git")
			return ""
		}
		return u.Scheme
	case u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "ssh":
		report(where, "want https://, ssh://, file:// or user@server:path")
	case u.Hostname() == "" || strings.Trim(u.Path, "/") == "":
		report(where, "want a server and a path")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		report(where, "http:// would show the token to the network; write https://")
	default:
		return u.Scheme
	}
	return ""
}

// isLoopback tells whether a server is this machine.
func isLoopback(server string) bool {
	ip := net.ParseIP(server)
	return server == "localhost" || ip != nil && ip.IsLoopback()
}

// badPath says what is wrong with a file's path in a repository; nothing if
// all is well.
func badPath(path string) string {
	if strings.HasPrefix(path, "/") {
		return "is absolute; a path begins at the root of the repository"
	}
	if strings.Contains(path, `\`) {
		return `write '/' instead of '\'`
	}
	if strings.HasPrefix(path, "-") {
		return "begins with '-'"
	}
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case part == "":
			return "has an empty part ('//', or '/' at the end)"
		case part == "." || part == "..":
			return "'" + part + "' is not taken in a path"
		case isDotGit(part):
			return "leads into " + part + ", which is Git's own"
		}
	}
	return ""
}

// isDotGit tells whether a file system may take a name for .git: without
// regard to case, by its short name, or with the dots, spaces and stream
// names that Windows ignores.
func isDotGit(name string) bool {
	name, _, _ = strings.Cut(strings.ToLower(name), ":")
	name = strings.TrimRight(name, ". ")
	return name == ".git" || name == "git~1"
}
