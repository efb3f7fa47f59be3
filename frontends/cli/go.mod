module github.com/tidebot-dev/tidebot/frontends/cli

go 1.26.0

require github.com/tidebot-dev/tidebot v0.0.0

require (
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/spf13/cobra v1.10.2 // indirect
	github.com/spf13/pflag v1.0.9 // indirect
	golang.org/x/tools v0.52.0 // indirect
)

replace github.com/tidebot-dev/tidebot => ../..
