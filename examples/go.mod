module github.com/tidebot-dev/tidebot/examples

go 1.26.0

require github.com/tidebot-dev/tidebot v0.0.0

replace github.com/tidebot-dev/tidebot => ..
