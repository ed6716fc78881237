#include "ui/app/source.h"

void ui_news_free(ui_news *news)
{
    bytes_free(&news->who);
    bytes_free(&news->reasoning);
    bytes_free(&news->content);
    *news = (ui_news){0};
}
