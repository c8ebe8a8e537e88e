"""The sandbox: moto with the life cycles and the refusals of AWS.

The way of a request, with one module per concern:

    gate.py      one WSGI application in front of moto; one request at a time
      door.py    access: only with the sandbox's key, and not for browsers
      wire.py    reads the request and writes the answer in the service's protocol
      model.py   the request against AWS's API model: AWS's first refusals
      faults.py  throttling, lost answers, denied actions (only when asked for)
      data.py    AWS's API model and its other data, read once
      rules.py   the table of our fixes: before moto, instead of moto, after moto
    clock.py     the emulated clock: AWS's minutes at the chosen pace
    <service>.py the fixes of one service, each with AWS's behaviour and a source

Sources named in comments: "[AWS n]" is a section or row of docs/aws-facts.md,
"model" is the AWS API model that botocore ships.
"""
