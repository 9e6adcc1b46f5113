"""File formats of extracts: one module per format. Each implements the interface `base.ExtractFormat`.

To add a format, write its module and add it to `registry.FORMATS`. Start reading at `registry`. A format module may
import `ingest.extract`, `spec` and `storage`.
"""
