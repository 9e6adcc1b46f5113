"""File formats of extracts, one module per format. Each format implements the interface `base.ExtractFormat`.

To add a format, write its module and add the format to `registry.FORMATS`. Start reading at `registry`. A format module
may import `ingest.extract`, `spec` and `storage`.
"""
